"""Production in miniature. Knows nobody above it."""
