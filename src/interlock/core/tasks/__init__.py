"""Tasks as parties: which task calls, a task's waiter, and what it awaits."""
