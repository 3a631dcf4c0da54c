"""Programs that fail on purpose."""
