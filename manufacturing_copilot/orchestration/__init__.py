"""The stages as one flow: joined for Dagster, run on a schedule, by a sensor, or in one process."""
