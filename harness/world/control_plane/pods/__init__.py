"""Pods: what stands behind them, how commands run in them, how they look in the API."""
