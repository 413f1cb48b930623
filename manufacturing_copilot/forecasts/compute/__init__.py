"""Where and how forecasts are computed: shards, engines, kept artifacts. What is computed belongs in `methods`."""
