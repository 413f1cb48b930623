"""The formulas of planning over arrays of item-places and time buckets; nothing here reads the database."""
