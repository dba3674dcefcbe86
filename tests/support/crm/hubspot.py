"""HubSpot's tables, each row mapped to an item for a door of ingest or refused with its reason."""

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
    filled,
    flag,
    instant,
    version,
)

CRM: Final = "hubspot"
FIRST_YEAR: Final = 2006
"""HubSpot's own: an earlier time of a meeting is a mistake."""
NAMED_ALONE: Final = 10
"""Every so manieth meeting names its company by nothing but its name, as people do."""

IN_1970: Final = "starts in 1970: seconds read as milliseconds"
MACHINE_MAIL: Final = "machine e-mail event is no touch"
HASHED_PROPERTY: Final = "the changed property is a hash: what changed is unknown"
PERSON: Final = "a contact is a person: Tributary keeps companies and partners"
LIVE_MERGED: Final = "contact lists merged contacts that are still live rows"
PERSONS_MERGED: Final = "a merge of persons changes no account"
CONTACT_ALONE: Final = "a contact alone names no company: matching is by company"
DEAL_ELSEWHERE: Final = "names a deal that is not in the export"
ENGAGEMENT_ELSEWHERE: Final = "names an engagement that is not in the export"
SAID_BY_DEAL: Final = "said by the row of its deal"
SAID_BY_ENGAGEMENT: Final = "said by the row of its engagement"
CONFIGURATION: Final = "configuration: read to understand other rows"
FORM: Final = "a form names neither partner nor company"
EMPLOYEE: Final = "an owner is the vendor's employee, no partner"

Mapper = Callable[[Row, Export, Decided], Outcome]

_ACTIVITIES: Final = {"CALL": "closing", "EMAIL": "recommendation", "TASK": "requirements"}
_ENGAGEMENTS: Final = ("call", "communication", "email", "note", "task")


def outcomes(export: Export, decided: Decided) -> dict[str, list[Outcome]]:
    """What becomes of every row of every table."""
    return {name: [_TABLES[name](row, export, decided) for row in rows] for name, rows in export.items()}


def stage(stage_id: str, export: Export) -> str:
    """Won, lost or open by the flags of the pipeline's stage; a blank or unknown stage is not won, so it is open."""
    for row in export["deal_pipeline_stage"]:
        if row["stage_id"] == stage_id:
            if flag(row["closed_won"]):
                return "won"
            return "lost" if flag(row["is_closed"]) else "open"
    return "open"


def deal(row: Row, export: Export, decided: Decided) -> Outcome:
    """A deal as the CRM shows it; the tables of stages and companies say what its ids mean."""
    created = row["property_createdate"]
    body: JsonObject = {
        "id": row["deal_id"], "version": version(created), "stage": stage(row["deal_pipeline_stage_id"], export),
        "created_at": instant(created).isoformat(), **decided.money(row["property_amount"]),
    }  # fmt: skip
    if name := filled(row["property_dealname"]):
        body["name"] = name
    if row["property_closedate"]:
        body["closed_at"] = instant(row["property_closedate"]).isoformat()
    if flag(row["is_deleted"]):
        body["removed"] = True
    for link in export["deal_company"]:
        if link["deal_id"] == row["deal_id"]:
            body["account"] = {"crm": CRM, "crm_id": link["company_id"]}
    return Item("deals", body)


def _deal_stage(row: Row, export: Export, _: Decided) -> Outcome:
    # The end of a stage is no close of the deal, and 2050 stands for "not yet".
    entered = instant(row["date_entered"]).isoformat()
    body: JsonObject = {
        "id": row["deal_id"], "version": version(row["_fivetran_start"]), "stage": stage(row["value"], export),
        "milestones": {"stage_entered": entered},
    }  # fmt: skip
    return Item("deals", body)


def _merged_deal(row: Row, _: Export, __: Decided) -> Outcome:
    # Which of two deals survives is said by the column, never by the order of the ids.
    body = {
        "id": row["merged_deal_id"], "version": version(row["_fivetran_synced"]), "stage": "open",
        "merged_into": row["deal_id"],
    }  # fmt: skip
    return Item("deals", body)


def _company(row: Row, _: Export, __: Decided) -> Outcome:
    body: JsonObject = {
        "id": f"company-{row['id']}", "version": version(row["_fivetran_synced"]),
        "crm_ids": [{"crm": CRM, "id": row["id"]}],
    }  # fmt: skip
    if name := filled(row["property_name"]):
        body["name"] = name
    if flag(row["is_deleted"]):
        body["undone"] = True
    return Item("accounts", body)


def _meeting(row: Row, export: Export, decided: Decided) -> Outcome:
    begin = instant(row["start_time"])
    if begin.year < FIRST_YEAR:
        return Refusal(IN_1970)
    number = row["engagement_id"]
    company = decided.one_of(export["company"], number)
    alone = int(number) % NAMED_ALONE == 0
    account = {"name": company["property_name"]} if alone else {"crm": CRM, "crm_id": company["id"]}
    return _touch(number, "demo", row["start_time"], account, decided)


def _engagement(row: Row, export: Export, decided: Decided) -> Outcome:
    """A call, a note, a mail or a task of a person; two tasks share an object id, so their own id counts."""
    number = row["engagement_id"]
    if flag(row["_fivetran_deleted"]):
        return Item("touchpoints/withdrawals", {"id": number, "reason": "deleted in the CRM"})
    companies = [link["company_id"] for link in export["engagement_company"] if link["engagement_id"] == number]
    account = {"crm": CRM, "crm_id": companies[0]} if companies else {}
    activity = _ACTIVITIES.get(row["type"], "education")
    return _touch(number, activity, row["property_hs_timestamp"], account, decided)


def _touch(number: str, activity: str, when: str, account: Mapping[str, str], decided: Decided) -> Item:
    happened = instant(when).isoformat()
    body = {
        "id": number, "partner": decided.partner(number), "account": dict(account), "activity": activity,
        "occurred_at": happened, "reported_at": happened,
    }  # fmt: skip
    return Item("touchpoints", body)


def _contact(row: Row, export: Export, _: Decided) -> Outcome:
    live = {other["id"] for other in export["contact"]}
    merged = {pair.partition(":")[0] for pair in row["property_hs_calculated_merged_vids"].split(";")}
    return Refusal(LIVE_MERGED if merged & live else PERSON)


def _deal_company(row: Row, export: Export, _: Decided) -> Outcome:
    known = {one["deal_id"] for one in export["deal"]}
    return Refusal(SAID_BY_DEAL if row["deal_id"] in known else DEAL_ELSEWHERE)


def _engagement_link(row: Row, export: Export, _: Decided) -> Outcome:
    known = {one["engagement_id"] for kind in _ENGAGEMENTS for one in export[f"engagement_{kind}"]}
    return Refusal(SAID_BY_ENGAGEMENT if row["engagement_id"] in known else ENGAGEMENT_ELSEWHERE)


def _always(reason: str) -> Mapper:
    return lambda *_: Refusal(reason)


_TABLES: Final[Mapping[str, Mapper]] = {
    "company": _company,
    "contact": _contact,
    "contact_form_submission": _always(FORM),
    "contact_merge_audit": _always(PERSONS_MERGED),
    "deal": deal,
    "deal_company": _deal_company,
    "deal_contact": _always(CONTACT_ALONE),
    "deal_pipeline": _always(CONFIGURATION),
    "deal_pipeline_stage": _always(CONFIGURATION),
    "deal_property_history": _always(HASHED_PROPERTY),
    "deal_stage": _deal_stage,
    "email_event": _always(MACHINE_MAIL),
    "engagement": _always(SAID_BY_ENGAGEMENT),
    "engagement_company": _engagement_link,
    "engagement_contact": _always(CONTACT_ALONE),
    "engagement_deal": _engagement_link,
    "engagement_meeting": _meeting,
    "form": _always(FORM),
    "merged_deal": _merged_deal,
    "owner": _always(EMPLOYEE),
    **{f"engagement_{kind}": _engagement for kind in _ENGAGEMENTS},
}
