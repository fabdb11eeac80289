"""Market data: generated or recorded, in the production envelope, into the input topics."""
