"""Posting items in batches; rows the server refuses are set aside with its reasons, and the rest is sent again.

Load-bearing idea: the server keeps nothing of a refused batch and names every bad item, so setting those aside and
repeating loses nothing; and since ids are stable, an import that broke off is simply run again.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import httpx

from services.ingest.domain import batch, deals, exchange_rates, partners, receipts, touchpoints
from shared.errors import Fault
from tributary.imports.mapping import JsonObject, Kind
from tributary.imports.rows import Bad, Row

BATCH: Final = 500
"""Items per request: large enough for speed, small enough that a progress bar moves."""
TRIES: Final = 6
"""Attempts at a request while the service is away: half a minute with the waits below."""
FIRST_WAIT_S: Final = 1.0

_ITEM = re.compile(r"items\[(\d+)\](?:\.(.*))?", re.DOTALL)


class Stopped(Exception):
    """The import cannot go on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row and what is sent for it."""

    row: Row
    body: JsonObject


class Door:
    """The door of one kind of item."""

    def __init__(self, client: httpx.Client, kind: Kind) -> None:
        self._client = client
        self._kind = kind

    def send(self, items: Sequence[Item]) -> list[Bad]:
        """Post up to `BATCH` items; returns the rows refused, all others being accepted. Raises `Stopped`."""
        refused: list[Bad] = []
        rest = list(items)
        while rest:
            answer = self._post(rest)
            if answer.status_code == httpx.codes.ACCEPTED:
                break
            if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and len(rest) > 1:
                middle = len(rest) // 2
                return refused + self.send(rest[:middle]) + self.send(rest[middle:])
            reasons = _reasons(answer, len(rest))
            refused += [Bad(rest[index].row, reason) for index, reason in sorted(reasons.items())]
            rest = [item for index, item in enumerate(rest) if index not in reasons]
        return refused

    def _post(self, items: Sequence[Item]) -> httpx.Response:
        for attempt in range(TRIES):
            if attempt:
                time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
            problem = "is not ready"
            try:
                answer = self._client.post(f"/ingest/v1/{self._kind}", json=[item.body for item in items])
            except httpx.TransportError as error:
                problem = f"does not answer ({type(error).__name__})"
                continue
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer
        raise Stopped(
            f"{self._client.base_url} {problem}. Is the system running (`tributary up`)? "
            "Then run the same import again: what was accepted before is recognised."
        )


def _reasons(answer: httpx.Response, count: int) -> dict[int, str]:
    """Why each named item was refused; raises `Stopped` when the answer is about the whole request."""
    try:
        problem = answer.json()
    except ValueError:
        text = f"{answer.url} answered {answer.status_code} with no problem document; is it Tributary?"
        raise Stopped(text) from None
    reasons = _by_item((Fault(**error) for error in problem.get("errors", [])), count)
    if not reasons and answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return {0: "is larger than a whole request may be"}
    if not reasons:
        raise Stopped(f"Refused ({answer.status_code} {problem.get('title')}): {problem.get('detail') or answer.text}")
    return reasons


def _by_item(faults: Iterable[Fault], count: int) -> dict[int, str]:
    reasons: defaultdict[int, list[str]] = defaultdict(list)
    for fault in faults:
        match = _ITEM.fullmatch(fault.field)
        if match and int(match[1]) < count:
            reasons[int(match[1])].append(f"{match[2]}: {fault.message}" if match[2] else fault.message)
    return {index: "; ".join(several) for index, several in reasons.items()}


def check(kind: Kind, items: Sequence[Item]) -> list[Bad]:
    """The rows the server would refuse, by its own rules, as far as they can be known without its program."""
    body = json.dumps([item.body for item in items]).encode()
    now = datetime.now(UTC)
    try:
        match kind:
            case Kind.DEALS:
                batch.read(body, deals.SHAPE, partial(deals.objections, now=now))
            case Kind.PARTNERS:
                batch.read(body, partners.SHAPE, partners.Rules(None).objections)
            case Kind.RECEIPTS:
                batch.read(body, receipts.SHAPE, partial(receipts.objections, now=now))
            case Kind.EXCHANGE_RATES:
                batch.read(body, exchange_rates.SHAPE, partial(exchange_rates.objections, now=now))
            case Kind.TOUCHPOINTS:
                named = frozenset(item.body["activity"] for item in items)
                batch.read(body, touchpoints.SHAPE, touchpoints.Rules(named, now, None, history=True).objections)
    except batch.Refused as error:
        reasons = _by_item(error.faults, len(items))
        return [Bad(items[index].row, reason) for index, reason in sorted(reasons.items())]
    return []
