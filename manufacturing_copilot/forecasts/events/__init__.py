"""What is known beyond the history: closures, promotions, prices, successors; outliers; what a planner says instead."""
