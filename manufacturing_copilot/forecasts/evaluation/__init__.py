"""How good forecasts are: scores, backtests, challengers beside champions."""
