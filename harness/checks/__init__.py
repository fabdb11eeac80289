"""What the data must look like after a replay."""
