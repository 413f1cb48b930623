"""Drafting the YAML of a feed from a file nobody has described yet. Nothing here loads a row."""
