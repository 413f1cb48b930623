"""A plant to try it on: a simulator that writes its exports. Nothing imports it but the command line."""
