"""Bringing unified up to date: after new batches, from scratch, or for a past day. No part is worked out here."""
