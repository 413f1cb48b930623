"""Planners' overrides of the demand forecast, and their scores. What is declared in feeds belongs in `events`."""
