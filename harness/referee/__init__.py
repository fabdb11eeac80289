"""The referee: rules in past time over the one ordered trail of what was done."""
