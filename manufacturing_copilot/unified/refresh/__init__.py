"""Bringing unified up to date: after new batches, from scratch, or as known on a past day."""
