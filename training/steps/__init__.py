"""The main commands, in this order: explore, audit, train, calibrate, evaluate, publish."""
