"""Recording what happens: the ring of events and what writes it."""
