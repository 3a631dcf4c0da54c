"""What one types, in this order: explore, audit, train, calibrate, evaluate, publish."""
