"""Forecasting methods: frames and arrays in, quantiles out. No database and no site here."""
