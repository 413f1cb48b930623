"""Batches in: received, checked, and each row accepted, duplicate or rejected. What rows mean belongs in `unified`."""
