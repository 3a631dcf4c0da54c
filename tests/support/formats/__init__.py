"""Files in the formats that are read."""
