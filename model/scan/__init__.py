"""Classify a whole archive: list it, decode in child processes, predict in batches, keep rows after a crash."""
