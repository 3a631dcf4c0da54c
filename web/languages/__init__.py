"""English and French."""
