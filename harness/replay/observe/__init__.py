"""Looks at a world through its services' own protocols; changes nothing."""
