"""5. Which places of the image support an answer."""
