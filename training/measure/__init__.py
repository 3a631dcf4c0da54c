"""4. From a network to figures."""
