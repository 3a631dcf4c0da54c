"""From what a person names to inputs, and from an input to its bytes."""
