"""Where forecasts are computed and what is kept of it: shards, engines, artifacts. Methods belong in `methods`."""
