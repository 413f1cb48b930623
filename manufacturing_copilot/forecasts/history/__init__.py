"""What forecasts are made from: periods, panels, classes and cohorts of series. Nothing is forecast here."""
