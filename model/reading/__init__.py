"""1. From bytes to an image or a volume. Imports nothing of networks, answers or evidence."""
