"""Stock by item, location and day: counts carried forward, and movements. Orders belong in `history`."""
