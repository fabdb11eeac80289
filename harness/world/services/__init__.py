"""Services of a world: one protocol each, one driver per way of running them."""
