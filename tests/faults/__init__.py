"""What the running service survives: faults made on purpose, on this machine alone (`make test-faults`)."""
