"""What a planner says of demand instead of the models, and how that did."""
