"""Making forecasts add up, over frequencies and over items. Making them belongs in `methods`."""
