"""Demand, inventory, supply and quality ahead, with bounds."""
