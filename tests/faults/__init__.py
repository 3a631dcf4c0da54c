"""Deliberate faults in the running service, only on this machine (`make test-faults`)."""
