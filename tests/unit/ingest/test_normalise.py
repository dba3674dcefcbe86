"""Web addresses become the registrable domain of a company, or a clear error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain import normalise


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://www.Acme.co.uk/x?y=1#z", "acme.co.uk"),
        ("acme.com", "acme.com"),
        ("//shop.acme.com/", "acme.com"),
        ("ACME.com.", "acme.com"),
        ("acme.com:8443", "acme.com"),
        (" acme.com ", "acme.com"),
        ("a.b.c.acme.example", "acme.example"),
        ("Bücher.de", "xn--bcher-kva.de"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("www.例子.中国", "xn--fsqu00a.xn--fiqs8s"),
        ("one.github.io", "one.github.io"),
        ("www.one.github.io", "one.github.io"),
    ],
)
def test_an_address_becomes_its_registrable_domain(address: str, expected: str) -> None:
    """Scheme, path, port, sub-domain, case and script do not matter; customers of one host stay apart."""
    assert normalise.domain(address) == expected


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("", "not a domain"),
        (".", "not a domain"),
        ("acme..com", "not a domain"),
        ("-acme.com", "not a domain"),
        ("ac me.com", "not a domain"),
        ("acme_co.com", "not a domain"),
        ("http://[::1", "not a domain"),
        ("http://acme.com:port", "not a domain"),
        ("a" * 64 + ".com", "not a domain"),
        ("a." * 127 + "com", "not a domain"),
        ("ü" * 300 + ".com", "not a domain"),
        ("x" * 3_000, "longer than"),
        ("localhost", "not a company's domain"),
        ("co.uk", "not a company's domain"),
        ("github.io", "not a company's domain"),
        ("192.168.1.1", "IP address"),
        ("http://[::1]/", "IP address"),
        ("jane@acme.com", "e-mail"),
        ("\ud800.com", "internationalised"),
    ],
)
def test_what_names_no_company_is_refused(address: str, complaint: str) -> None:
    """The error says what is wrong, in words."""
    with pytest.raises(ValueError, match=complaint):
        normalise.domain(address)


@given(st.text(max_size=300))
def test_any_text_gives_a_stable_domain_or_a_value_error(address: str) -> None:
    """Normalising twice changes nothing, and no text breaks it."""
    try:
        once = normalise.domain(address)
    except ValueError:
        return
    assert normalise.domain(once) == once
    assert once.isascii()
