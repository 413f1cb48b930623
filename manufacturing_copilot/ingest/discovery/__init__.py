"""Where batches come from: files and table rows that wait, and their claim. Reading them belongs in `reading`."""
