"""What a partner reads of a journal's reason: its own, and nothing that was not put on the list."""

import pytest

from services.rewards import views

STORED = {
    "cause": "late touchpoint portal/t2 of beta", "revision": 3, "share": "1/3", "credited": "10.00", "secret": "beta",
}  # fmt: skip


def test_finance_reads_everything() -> None:
    """An unbound key is told the whole reason as it was booked."""
    assert views.reason("accrual", STORED, only_for=None) == STORED


def test_a_partner_reads_its_own_cause() -> None:
    """The cause of the credit, its revision and whatever is not known to be the partner's own are left out."""
    own = views.reason("adjustment", STORED | {"own_cause": "your credit is 10.00 USD"}, only_for="acme")
    assert own == {"cause": "your credit is 10.00 USD", "share": "1/3", "credited": "10.00"}


@pytest.mark.parametrize(
    ("kind", "stored", "cause"),
    [
        ("accrual", "touchpoint of beta", "credited"), ("adjustment", "touchpoint of beta", "your credit changed"),
        ("reversal", "touchpoint of beta", "your credit was taken back"),
        ("maturity", "the hold ended on 2026-04-01", "the hold ended on 2026-04-01"), ("payment", "payment", "payment"),
    ],
)  # fmt: skip
def test_a_journal_of_an_older_release_tells_its_kind(kind: str, stored: str, cause: str) -> None:
    """Without a cause of the partner's own a general one is shown; a hold and a payment have always been its own."""
    assert views.reason(kind, {"cause": stored, "revision": 3}, only_for="acme") == {"cause": cause}
