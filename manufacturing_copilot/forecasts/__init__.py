"""Forecasts of demand, lead times and defect rates with bounds. What to do about them belongs in `planning`."""
