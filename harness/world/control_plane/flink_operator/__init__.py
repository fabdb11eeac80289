"""A model of the Flink Kubernetes Operator 1.15, true to recordings of the real one."""
