"""Who is told, how and when; the ledger of deliveries."""
