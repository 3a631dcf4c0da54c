"""From sources to inputs, and from an input to its bytes."""
