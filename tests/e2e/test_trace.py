"""One touchpoint can be followed from its HTTP request to the ledger entry it led to."""

import asyncio
from pathlib import Path

import pytest

from tests.support import collector, facts, system

TOUCH_TRACE = "0af7651916cd43dd8448eb211c80319c"
DEAL_TRACE = "1bf7651916cd43dd8448eb211c80319c"
PATIENCE_S = 20


async def post(tributary: system.Tributary, path: str, body: object, trace: str) -> None:
    answer = await tributary.http.post(
        f"{tributary.system.ingest_url}/ingest/v1/{path}", json=body,
        headers={
            "Authorization": f"Bearer {tributary.system.admin_key}", "traceparent": f"00-{trace}-b7ad6b7169203331-01"
        },
    )  # fmt: skip
    assert answer.status_code == 202, answer.text


async def test_a_touchpoint_is_traced_to_its_ledger_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own trace reaches the stored fact; the trace of the deal links to it and ends in the booked journal."""
    with collector.collecting() as spans:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", spans.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        async with system.running(tmp_path) as tributary:
            await tributary.activate(facts.document())
            await tributary.accept("partners", [facts.partner("brightfield")])
            await tributary.settle()
            touch = facts.touchpoint("t1", "brightfield", "demo", facts.ago(3), crm_id="A1")
            await post(tributary, "touchpoints", touch, TOUCH_TRACE)
            await tributary.settle()
            await post(tributary, "deals", facts.deal("D1", {"crm_id": "A1"}, "100.00", facts.ago(1)), DEAL_TRACE)
            await tributary.settle()
            async with asyncio.timeout(PATIENCE_S):
                while not booked(spans):
                    await asyncio.sleep(0.1)

    of_touch = [(s.service, s.name) for s in spans.spans if s.trace == TOUCH_TRACE]
    assert ("tributary-ingest", "POST /ingest/v1/touchpoints") in of_touch
    assert ("tributary-attribution", "process batch") in of_touch
    [decided] = [s for s in spans.spans if s.service == "tributary-attribution" and TOUCH_TRACE in s.links]
    assert (decided.name, decided.trace) == ("reconcile", DEAL_TRACE)
    assert [s.attributes["tributary.changed"] for s in booked(spans)] == [1]


def booked(spans: collector.Collector) -> list[collector.Span]:
    """The rewards service's work in the trace of the deal."""
    return [
        s for s in spans.spans if s.trace == DEAL_TRACE and (s.service, s.name) == ("tributary-rewards", "reconcile")
    ]
