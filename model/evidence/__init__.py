"""5. Which places of the image spoke for an answer."""
