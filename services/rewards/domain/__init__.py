"""The rules of rewards: pure functions from facts to what is owed, and from what is owed to journals."""
