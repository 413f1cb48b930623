"""Registered models, their versions, their runs and their scores."""
