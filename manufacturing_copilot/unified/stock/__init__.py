"""Stock by item, location and day: counts rolled forward, and movements. Orders belong in `history`."""
