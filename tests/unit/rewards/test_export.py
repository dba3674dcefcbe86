"""Names that other programs accept, and text that a spreadsheet does not run."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain.accounts import Account, Role
from services.rewards.ledger import export

PARTNER = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
PARTNER_ROLES = st.sampled_from([Role.PENDING, Role.PAYABLE, Role.PAID])


@given(PARTNER, PARTNER_ROLES, PARTNER, PARTNER_ROLES)
def test_no_two_accounts_share_a_name(one: str, role: Role, other: str, other_role: Role) -> None:
    """Different partners or roles have different names, in the books and in the exports, whatever an id contains."""
    same = (one, role) == (other, other_role)
    assert (export.account_name(role, one) == export.account_name(other_role, other)) is same
    assert (Account(role, "USD", one).code == Account(other_role, "USD", other).code) is same


@given(PARTNER, PARTNER_ROLES)
def test_exported_names_follow_beancounts_grammar(partner: str, role: Role) -> None:
    """Parts begin with a capital and hold letters, digits and hyphens."""
    assert re.fullmatch(
        r"(Assets|Liabilities)(:[A-Z][A-Za-z0-9-]*)+", export.account_name(role, partner), re.ASCII
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-cmd", "'-cmd"), ("-12.50", "-12.50"), ("acme", "acme"), (None, None)],
)
def test_text_that_looks_like_a_formula_is_disarmed(text: str | None, shown: str | None) -> None:
    """Spreadsheets run text that begins with = + - or @; amounts stay numbers."""
    assert export._safe(text) == shown  # noqa: SLF001  the rule by itself
