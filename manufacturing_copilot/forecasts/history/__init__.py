"""What forecasts are made from: periods, panels and classes of series. Reads facts, forecasts nothing."""
