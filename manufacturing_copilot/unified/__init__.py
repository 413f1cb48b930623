"""One item master, processes, stock snapshots, and the history of demand, supply and quality."""
