"""Reading what happens: who waits for what, the order of locks, stalls; recordings, and the pages made of them."""
