"""How fast and how large everything is, as ratios to what this machine can do. Nothing else imports it."""
