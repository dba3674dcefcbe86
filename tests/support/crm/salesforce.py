"""Salesforce's tables, each row mapped to an item for a door of ingest or refused with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.support.crm.export import (
    Decided,
    Export,
    Item,
    JsonObject,
    Outcome,
    Refusal,
    Row,
    flag,
    instant,
    salesforce_fault,
    version,
)

CRM: Final = "salesforce"
ACCOUNT, CONTACT, OPPORTUNITY, LINE_ITEM = "001", "003", "006", "00k"
"""How ids of these objects begin."""

PERSON: Final = "a contact is a person: Tributary keeps companies and partners"
NO_OPPORTUNITY: Final = "lead converted without an opportunity"
NOT_CONVERTED: Final = "lead is not converted: it is no deal yet"
SAID_BY_OPPORTUNITY: Final = "said by the amount of its opportunity"
OPPORTUNITY_ELSEWHERE: Final = "names an opportunity that is not in the export"

Mapper = Callable[[Row, Export, Decided], Outcome]

_EVENTS: Final = {"Call": "closing", "Meeting": "demo"}


def outcomes(export: Export, decided: Decided, crm: str = CRM) -> dict[str, list[Outcome]]:
    """What becomes of every row of every table. Ids of accounts are those of the CRM `crm`."""
    tables: Mapping[str, Mapper] = {
        "account": lambda row, *_: account(row, row["_fivetran_synced"]),
        "account_history": lambda row, *_: account(row, row["_fivetran_start"]),
        "contact": _contact,
        "contact_history": _contact,
        "event": lambda row, _, decided: event(row, decided, crm),
        "lead": _lead,
        "opportunity": lambda row, _, decided: opportunity(row, row["_fivetran_synced"], decided),
        "opportunity_history": lambda row, _, decided: opportunity(row, row["_fivetran_start"], decided),
        "opportunity_line_item": _line_item,
        "task": lambda row, _, decided: task(row, decided, crm),
    }
    return {name: [tables[name](row, export, decided) for row in rows] for name, rows in export.items()}


def opportunity(row: Row, at: str, decided: Decided) -> Outcome:
    """An opportunity as it was at a time of the export. Won is the flag: a probability may be 1000."""
    closed = "won" if flag(row["is_won"]) else "lost"
    body: JsonObject = {
        "id": row["id"], "version": version(at), "stage": closed if flag(row["is_closed"]) else "open",
        "name": row["name"], "created_at": instant(row["created_date"]).isoformat(),
        "closed_at": instant(row["close_date"]).isoformat(), **decided.money(row["amount"]),
    }  # fmt: skip
    if flag(row["is_deleted"]):
        body["removed"] = True
    if salesforce_fault("account", row["account_id"], ACCOUNT) is None:  # a hash joins nothing, so nothing is claimed
        body["account"] = {"crm": CRM, "crm_id": row["account_id"]}
    return Item("deals", body)


def account(row: Row, at: str) -> Outcome:
    """A company as it was at a time of the export; its hashed website is no domain.

    One with a master record was merged into it. The others that are deleted say nothing any more.
    """
    body: JsonObject = {"id": row["id"], "version": version(at)}
    master = row["master_record_id"]
    if not master:
        body |= {"crm_ids": [{"crm": CRM, "id": row["id"]}], "name": row["name"]}
        return Item("accounts", body | ({"undone": True} if flag(row["is_deleted"]) else {}))
    if fault := salesforce_fault("master record", master, ACCOUNT):
        return Refusal(fault)
    accounts = [{"crm": CRM, "crm_id": one} for one in (row["id"], master)]
    return Item("accounts/merges", body | {"accounts": accounts, "evidence": "merged in the CRM"})


def task(row: Row, decided: Decided, crm: str) -> Outcome:
    """A task that somebody did."""
    return _touch(row, "requirements", row["activity_date"], decided, crm)


def event(row: Row, decided: Decided, crm: str) -> Outcome:
    """A call or a meeting."""
    return _touch(row, _EVENTS.get(row["type"], "education"), row["start_date_time"], decided, crm)


def _touch(row: Row, activity: str, when: str, decided: Decided, crm: str) -> Outcome:
    if flag(row["is_deleted"]):
        return Item("touchpoints/withdrawals", {"id": row["id"], "reason": "deleted in the CRM"})
    happened = instant(when).isoformat()
    named: dict[str, str] = {}
    if row["account_id"]:
        if fault := salesforce_fault("account", row["account_id"], ACCOUNT):
            return Refusal(fault)
        named = {"crm": crm, "crm_id": row["account_id"]}
    body = {
        "id": row["id"], "partner": row["partner_account_c"] or decided.partner(row["id"]), "account": named,
        "activity": activity, "occurred_at": happened, "reported_at": happened,
    }  # fmt: skip
    return Item("touchpoints", body)


def _contact(row: Row, _: Export, __: Decided) -> Outcome:
    return Refusal(salesforce_fault("contact", row["id"], CONTACT) or PERSON)


def _lead(row: Row, _: Export, __: Decided) -> Outcome:
    if not flag(row["is_converted"]):
        return Refusal(NOT_CONVERTED)
    if not row["converted_opportunity_id"]:
        return Refusal(NO_OPPORTUNITY)
    created = instant(row["created_date"]).isoformat()
    body: JsonObject = {
        "id": row["converted_opportunity_id"], "version": version(row["created_date"]), "stage": "open",
        "account": {"crm": CRM, "crm_id": row["converted_account_id"]}, "milestones": {"lead_created": created},
    }  # fmt: skip
    return Item("deals", body)


def _line_item(row: Row, export: Export, _: Decided) -> Outcome:
    fault = salesforce_fault("line item", row["id"], LINE_ITEM)
    fault = fault or salesforce_fault("opportunity", row["opportunity_id"], OPPORTUNITY)
    if fault:
        return Refusal(fault)
    known = {one["id"] for one in export["opportunity"]}
    return Refusal(SAID_BY_OPPORTUNITY if row["opportunity_id"] in known else OPPORTUNITY_ELSEWHERE)
