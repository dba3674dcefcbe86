"""Spreadsheets in: read strictly, mapped by plain rules, posted through the same doors as everything else."""
