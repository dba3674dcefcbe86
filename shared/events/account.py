"""How a message names a customer account: strong keys (CRM id, DUNS, VAT number, domain) and a weak one (name)."""

from __future__ import annotations

from typing import Final

from shared.events.base import Contract, Id, Name

DEFAULT_CRM: Final = "crm"
"""The CRM an id belongs to when none is named. A vendor with several CRMs names them, so that ids cannot collide."""


class AccountRef(Contract):
    """A customer company as the sender knows it.

    `crm_id` is the account's id in the vendor's CRM `crm`; `domain` is the registrable domain, lower-case, in ASCII
    (ingest normalises it: `https://www.Acme.co.uk/x` becomes `acme.co.uk`). `duns` is the nine digits, `vat` the number
    with its country, upper-case, without blanks. A name alone never links.
    """

    domain: Id | None = None
    crm: Id = DEFAULT_CRM
    crm_id: Id | None = None
    duns: Id | None = None
    vat: Id | None = None
    name: Name | None = None

    @property
    def hint(self) -> str:
        """The Kafka key: facts that name an account in the same way share a partition."""
        if self.crm_id:
            return f"crm:{self.crm}:{self.crm_id}"
        for kind, value in (("duns", self.duns), ("vat", self.vat), ("domain", self.domain)):
            if value:
                return f"{kind}:{value}"
        return f"name:{self.name}"
