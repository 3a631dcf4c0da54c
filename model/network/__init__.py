"""3. From an image to a network's output."""
