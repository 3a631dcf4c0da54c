"""2. The same reading, in child processes that may die."""
