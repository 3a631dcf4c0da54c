"""What a request must pass before a view sees it."""
