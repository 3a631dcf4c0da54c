"""Classify a whole archive: list it, decode in processes of their own, predict in batches, write rows that survive."""
