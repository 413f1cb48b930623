"""Rules over facts and forecasts: what needs a person, and what to do."""
