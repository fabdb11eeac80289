"""Runs a replay runbook word for word on production in miniature and judges the data."""
