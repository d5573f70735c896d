"""The event log: everything that happens is a row."""
