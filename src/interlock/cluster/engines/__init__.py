"""One file for each engine. None is imported before its scheme is asked for."""
