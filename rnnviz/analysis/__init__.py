"""Measures on networks and recordings; nothing here draws or remembers."""
