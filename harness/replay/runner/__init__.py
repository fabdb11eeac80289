"""The replay runner: plan, apply, verify and roll back a non-destructive TA replay."""
