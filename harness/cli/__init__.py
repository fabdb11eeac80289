"""The command ``replay-harness``: one file per command, thin."""
