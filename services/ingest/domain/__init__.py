"""What ingest refuses and what it appends: pure functions from bytes and rules to faults or events."""
