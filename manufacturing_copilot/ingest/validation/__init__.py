"""Rows as they were written to records that pass or are rejected. Works on frames; writes nothing."""
