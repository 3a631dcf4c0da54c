"""Files in readable formats."""
