"""Clean daily history of demand, supply and quality. Stock belongs in `stock`."""
