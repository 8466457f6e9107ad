"""Who waits for whom, and what of that is certain."""
