"""4. From a network's output to what may be said."""
