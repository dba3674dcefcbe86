"""Logs, traces and metrics: set up once per process, carried along by the kit.

Traces cross Kafka in the `traceparent` header and the database in the columns of that name. Work caused by one message
continues its trace; work caused by many starts its own and links to each of theirs.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

MAX_LINKS: Final = 128
"""OpenTelemetry's default limit of links on a span; more are dropped there anyway."""


class Metrics:
    """Every metric of a process, in one typed list. Counters exist at zero, so the first event shows in a rate."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Histogram(
            "tributary_http_request_seconds", "HTTP requests by route and status", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.consumed = Counter("tributary_messages_stored", "Kafka messages stored", ["topic"], registry=self.registry)
        self.refused = Counter(
            "tributary_messages_refused", "Kafka messages put aside as dead letters", ["topic"], registry=self.registry
        )
        self.lag = Gauge(
            "tributary_consumer_lag_messages", "Messages in the log not yet stored", ["topic", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self.reconciled = Counter("tributary_keys_reconciled", "Dirty keys handled", ["lane"], registry=self.registry)
        self.changed = Counter("tributary_targets_changed", "Differences written", registry=self.registry)
        self.published = Counter("tributary_events_published", "Outbox events sent to Kafka", registry=self.registry)
        self.retried = Counter(
            "tributary_retries", "Transient failures tried again", ["worker"], registry=self.registry
        )


def configure(service: str, *, level: str, log_format: str) -> None:
    """Set up logs on stdout, and traces when `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector. Once, at start."""
    plain = log_format == "plain"
    renderer = structlog.dev.ConsoleRenderer(colors=False) if plain else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if plain else "iso", utc=not plain),
            structlog.processors.StackInfoRenderer(),
            *([] if plain else [structlog.processors.dict_tracebacks]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    structlog.contextvars.bind_contextvars(service=service)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        provider = TracerProvider(resource=Resource.create({"service.name": f"tributary-{service}"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)


def traceparent() -> str | None:
    """The W3C `traceparent` of the current span, or None outside a trace."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def is_traced() -> bool:
    """Whether the current span is recorded, so that the work of describing it is worth doing."""
    return trace.get_current_span().is_recording()


def link(causes: Iterable[str]) -> None:
    """Let the current span point to further traces it was caused by."""
    current = trace.get_current_span()
    for cause in causes:
        current.add_link(trace.get_current_span(propagate.extract({"traceparent": cause})).get_span_context())


@contextmanager
def span(
    name: str, causes: Iterable[str | None], kind: trace.SpanKind = trace.SpanKind.INTERNAL
) -> Iterator[trace.Span]:
    """A span that continues the one trace behind it, or links to each of several (see `MAX_LINKS`).

    `causes` are traceparents; None and repeats are passed over.
    """
    parents = list(dict.fromkeys(filter(None, causes)))[:MAX_LINKS]
    contexts = [propagate.extract({"traceparent": parent}) for parent in parents]
    parent = contexts[0] if len(contexts) == 1 else context.Context()
    links = [trace.Link(trace.get_current_span(c).get_span_context()) for c in contexts] if len(contexts) > 1 else []
    tracer = trace.get_tracer("tributary")
    with tracer.start_as_current_span(name, context=parent, kind=kind, links=links) as current:
        yield current
