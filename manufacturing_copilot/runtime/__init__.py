"""Registered models, their versions, runs and comparisons. The methods themselves belong in `forecasts`."""
