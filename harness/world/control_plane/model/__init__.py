"""What a Kubernetes object is: kinds, errors, selectors, patches, field ownership."""
