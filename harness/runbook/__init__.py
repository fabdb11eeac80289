"""The document: parsed with line numbers, bound to actions, linted, planned and run."""
