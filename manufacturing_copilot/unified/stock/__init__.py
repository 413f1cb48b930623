"""Stock by item and location, day by day: counts carried forward, and movements."""
