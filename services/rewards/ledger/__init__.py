"""The double-entry ledger: posting, verification, export. What protects it is in `migrations/ledger.sql`."""
