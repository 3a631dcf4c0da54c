"""From inputs to rows."""
