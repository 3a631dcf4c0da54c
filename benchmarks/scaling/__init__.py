"""Measure what a scan costs and survives, and work out what larger archives would: the figures of docs/scaling.md."""
