"""4. From a network's output to an answer."""
