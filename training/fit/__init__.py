"""3. From batches to a network."""
