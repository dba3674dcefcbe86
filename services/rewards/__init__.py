"""What is credit worth, and what is owed? Compensation plans, the double-entry ledger, and the books."""
