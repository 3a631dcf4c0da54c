"""All that speaks HTTP: pages for people, an API for programs, probes for operators."""
