"""One item master, processes, stock and history. Records as they came belong in `ingest`, forecasts in `forecasts`."""
