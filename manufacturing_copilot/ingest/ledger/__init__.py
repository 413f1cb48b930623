"""The ledger of batches: statuses and attempts, and what people ask of it. No row of data is touched here."""
