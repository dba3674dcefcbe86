"""The rules of attribution as pure functions: facts in, credit out. No I/O, no clock, exact numbers only."""
