"""What waiting is: parties, waiters, the queue of a primitive, timeouts, the probe."""
