"""2. From a split to batches."""
