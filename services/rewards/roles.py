"""The database roles of the ledger; migrations/roles.sql makes them, and no one can log in as either."""

from typing import Final

OWNER: Final = "tributary_ledger_owner"
"""Owns the ledger's tables and functions. Nothing runs as it but those functions."""
SERVICE: Final = "tributary_rewards"
"""Every session of the service takes it: reads the ledger, calls its functions, writes the service's own tables."""
