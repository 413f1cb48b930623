"""Batches in: as received, checked, split into accepted, duplicate and rejected."""
