"""The journal of a run and everything that is made from it."""
