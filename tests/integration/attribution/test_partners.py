"""Merges of partners and their kinds on a real database: for whom a touchpoint counts, whose accounts are marked."""

import asyncpg
import pytest

from services.attribution import credit_store, partner_store
from services.attribution.domain.partners import Directory
from tests.integration.attribution.harness import (
    CLOSE,
    Attribution,
    activated,
    partner_merged,
    touch,
    upserted,
    won,
)

LATER = CLOSE.replace(month=5).isoformat()
B = {"crm_id": "B-1"}


async def test_a_partner_counts_as_another_from_a_day_on(attribution: Attribution) -> None:
    """The close date decides; an earlier date reaches back, undone it never was; other accounts are not marked."""
    await attribution.tell(
        activated(), touch("t1", "ada", days=3), won("D-1"), won("D-2", closed_at=LATER),
        touch("t2", "bob", account=B), won("D-9", account=B),
    )  # fmt: skip
    await attribution.store(partner_merged("ada", "ada-new", "2026-04-01"))
    assert await attribution.accounts_marked() == {"D-1", "D-2"}
    assert await attribution.settle() == 1
    assert await attribution.credited() == {
        "D-1": {"ada": "1000.00"}, "D-2": {"ada-new": "1000.00"}, "D-9": {"bob": "1000.00"},
    }  # fmt: skip
    assert await attribution.tell(partner_merged("ada", "ada-new", "2026-03-01", version=2)) == 1
    assert await attribution.amounts() == {"ada-new": "1000.00"}
    assert await attribution.tell(partner_merged("ada", "ada-new", "2026-03-01", version=3, undone=True)) == 2
    assert await attribution.amounts("D-1") == await attribution.amounts("D-2") == {"ada": "1000.00"}
    assert await attribution.causes() == ["won", "partner ada counts as ada-new", "partner ada-new counts as ada"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_chain_of_merges_leads_to_its_end(attribution: Attribution, order: tuple[int, int]) -> None:
    """Whichever merge comes first, and again when one in the middle is undone."""
    chain = [partner_merged("ada", "bob", name="P-1"), partner_merged("bob", "cleo", name="P-2")]
    await attribution.tell(activated(), touch("t1", "ada"), won())
    for place in order:
        await attribution.tell(chain[place])
    assert await attribution.amounts() == {"cleo": "1000.00"}
    await attribution.tell(partner_merged("bob", "cleo", name="P-2", version=2, undone=True))
    assert await attribution.amounts() == {"bob": "1000.00"}


async def test_kinds_of_partners_are_those_of_the_close_date(attribution: Attribution) -> None:
    """Entries that come later, or hold from another day, or are those of the partner it counts as, change credit."""
    considers = {"partner_types": ["reseller"]}
    await attribution.tell(
        activated(considers=considers, model={"kind": "linear"}),
        *(touch(f"t-{name}", name) for name in ("ada", "bob", "cleo")), won(),
        touch("t2", "dora", account=B), won("D-9", account=B),
    )  # fmt: skip
    assert await attribution.credited() == {"D-1": {}, "D-9": {}}
    await attribution.store(
        upserted("ada", "reseller"), upserted("bob", "agency"), upserted("cleo", "reseller", since="2026-04-01")
    )
    assert await attribution.accounts_marked() == {"D-1"}
    await attribution.settle()
    assert await attribution.amounts() == {"ada": "1000.00"}
    await attribution.tell(upserted("ada", "agency", version=2))
    assert await attribution.amounts() == {}
    await attribution.tell(partner_merged("bob", "group"))
    assert await attribution.amounts() == {}
    await attribution.tell(upserted("group", "reseller"))
    assert await attribution.amounts() == {"group": "1000.00"}


async def test_no_kind_is_looked_at_where_no_program_considers_it(attribution: Attribution) -> None:
    """A directory entry marks nothing then."""
    await attribution.tell(activated(), touch("t1", "ada"), won())
    await attribution.store(upserted("ada", "reseller"))
    assert not await attribution.dirty()


async def test_rules_loaded_for_one_reader_do_not_become_anothers(
    attribution: Attribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page read at an older moment does not hand its rules to the reconciler that shares its cache."""
    await attribution.tell(activated(), partner_merged("x", "y"))
    directory, calls = partner_store.directory, []
    async with attribution.database.pool.acquire() as old, old.transaction(isolation="repeatable_read"):
        await old.fetchval("SELECT count(*) FROM attribution.program_version")
        await attribution.store(activated(2, effective_from="2026-02-01"), partner_merged("x", "y", version=2))

        async def beside(connection: asyncpg.Connection) -> Directory:
            calls.append(connection)
            if len(calls) == 1:
                await attribution.reference.load(old)
            return await directory(connection)

        monkeypatch.setattr(partner_store, "directory", beside)
        async with attribution.database.pool.acquire() as fresh:
            rules, _ = await attribution.reference.load(fresh)
    policy = rules.governing(CLOSE)
    assert policy is not None
    assert policy.version == 2
    assert len(calls) == 2
    assert isinstance(attribution.reference, credit_store.Reference)
