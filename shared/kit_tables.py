"""The tables the kit needs in each service's schema: position, dead letters, outbox, dirty marks."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


class Xid8(sa.types.UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id: grows in the order transactions begin to write."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


def define(metadata: sa.MetaData) -> None:
    """Add the kit's tables to a service's metadata (its schema is the metadata's)."""
    sa.Table(
        "consumer_position", metadata,
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )  # fmt: skip
    sa.Table(
        "dead_letter", metadata,
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", pg.JSONB, nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )  # fmt: skip
    sa.Table(
        "outbox", metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("xid", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("traceparent", sa.Text),
        sa.PrimaryKeyConstraint("xid", "id"),
    )  # fmt: skip
    sa.Table(
        "outbox_position", metadata,
        sa.Column("one", sa.Boolean, sa.CheckConstraint("one"), primary_key=True),
        sa.Column("xid", Xid8, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
    )  # fmt: skip
    dirty = sa.Table(
        "dirty", metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("lane", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("traceparent", sa.Text),
    )  # fmt: skip
    sa.Index("dirty_lane_id", dirty.c.lane, dirty.c.id)
    sa.Index("dirty_key", dirty.c.key)


_CREATE_V1 = (
    """CREATE TABLE {schema}.consumer_position (
        topic text NOT NULL, partition integer NOT NULL, next_offset bigint NOT NULL,
        PRIMARY KEY (topic, partition))""",
    """CREATE TABLE {schema}.dead_letter (
        topic text NOT NULL, partition integer NOT NULL, "offset" bigint NOT NULL, reason text NOT NULL, key text,
        value bytea, headers jsonb NOT NULL, refused_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (topic, partition, "offset"))""",
    """CREATE TABLE {schema}.outbox (
        id bigint GENERATED ALWAYS AS IDENTITY NOT NULL, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        topic text NOT NULL, key text NOT NULL, type text NOT NULL, source text NOT NULL, event_id text NOT NULL,
        time timestamptz NOT NULL, data bytea NOT NULL, traceparent text, PRIMARY KEY (xid, id))""",
    """CREATE TABLE {schema}.outbox_position (
        one boolean PRIMARY KEY CHECK (one), xid xid8 NOT NULL, id bigint NOT NULL)""",
    "INSERT INTO {schema}.outbox_position (one, xid, id) VALUES (true, '0', 0)",
    """CREATE TABLE {schema}.dirty (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, lane smallint NOT NULL DEFAULT 0,
        traceparent text)""",
    "CREATE INDEX dirty_lane_id ON {schema}.dirty (lane, id)",
    "CREATE INDEX dirty_key ON {schema}.dirty (key)",
)


def create_v1(schema: str) -> tuple[str, ...]:
    """The statements of a service's first migration that create the kit's tables. Frozen: change by a new version."""
    return tuple(statement.format(schema=schema) for statement in _CREATE_V1)
