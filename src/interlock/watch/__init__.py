"""Reading what happens: who waits for what, in which order locks are taken, and when nothing happens any more."""
