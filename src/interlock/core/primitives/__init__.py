"""One file for each primitive."""
