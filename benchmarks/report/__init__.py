"""Where and on what was measured, and the page made of it."""
