"""How good forecasts are: scores, backtests, challengers against champions. Forecasting belongs in `methods`."""
