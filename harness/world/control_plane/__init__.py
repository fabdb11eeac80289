"""Kubernetes in miniature: object store, API server, pods, and the controllers on them."""
