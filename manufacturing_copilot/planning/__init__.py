"""Stock ahead and what to do about it: projection, run-outs, replenishment. Demand ahead belongs in `forecasts`."""
