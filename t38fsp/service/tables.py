"""The tables of the service, the same for SQLite and PostgreSQL; ``t38fsp.service.values`` explains them.

DBOS has tables of its own beside these: which attempt runs when and where. What a fax is, and what of it
arrived, stands here alone.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

# All times are seconds since the epoch: SQLite has no type for times. PostgreSQL refuses what is longer than
# its column, SQLite stores it: so texts are cut or checked before they come here.
metadata = MetaData()

_NUMBERED = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of this type."""

meta = Table("t38fsp_meta", metadata, Column("key", String(64), primary_key=True), Column("value", Text))

document = Table(
    "document",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("octets", Integer, nullable=False),
    # In the database, so that any host can send it.
    Column("content", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
)

job = Table(
    "fax_job",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created", Float, nullable=False, index=True),
    Column("key", String(40), nullable=False, default=""),
    Column("idempotency_key", String(200)),
    Column("request_hash", String(64)),
    Column("route", String(400), nullable=False, default=""),
    Column("priority", Integer, nullable=False, default=5),
    Column("not_before", Float),
    Column("deadline", Float),
    Column("window", String(80), nullable=False, default=""),
    Column("reference", String(200), nullable=False, default=""),
    # With the password of the documents, if they have one; ``jobs.shown_options`` leaves it out.
    Column("options", JSON, nullable=False),
    # NULLs are not equal: jobs without a key of that kind do not exclude each other.
    UniqueConstraint("key", "idempotency_key"),
)

job_document = Table(
    "job_document",
    metadata,
    Column("job", String(40), ForeignKey("fax_job.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("document", String(40), ForeignKey("document.id"), nullable=False, index=True),
    Column("name", String(255), nullable=False),
)

fax = Table(
    "fax",
    metadata,
    Column("id", String(50), primary_key=True),
    Column("job", String(40), ForeignKey("fax_job.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("number", String(120), nullable=False),
    Column("receiver", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("routes", String(400), nullable=False),
    # No foreign key: the tables of DBOS are its own, on PostgreSQL in another schema.
    Column("workflow", String(40)),
    Column("created", Float, nullable=False),
    # That of the job again, so that ``fax_waiting`` has the order without a join.
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt", Float),
    Column("route", String(64), nullable=False, default=""),
    Column("pages", Integer),
    Column("confirmed", Integer, nullable=False, default=0),
    Column("possibly_duplicated", Integer),
    Column("outcome", String(40), nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("finished", Float),
    Column("cancelling", Boolean, nullable=False, default=False),
    # The route of the last attempt, where the next one is to go by another.
    Column("avoid", String(64), nullable=False, default=""),
    # The first attempt that counts for retries: earlier ones were before a person asked for the fax again.
    Column("history_from", Integer, nullable=False, default=1),
    # In the order in which faxes are released.
    Index("fax_waiting", "state", "routes", "priority", "created"),
    Index("fax_list", "created", "id"),
)

# A fax is released while it has a workflow. Never two calls to one number, whatever goes wrong elsewhere:
Index(
    "fax_released",
    fax.c.number,
    unique=True,
    sqlite_where=fax.c.workflow.is_not(None),
    postgresql_where=fax.c.workflow.is_not(None),
)
Index(
    "job_deadline",
    job.c.deadline,
    sqlite_where=job.c.deadline.is_not(None),
    postgresql_where=job.c.deadline.is_not(None),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("fax", String(50), ForeignKey("fax.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("host", String(120), nullable=False),
    Column("route", String(64), nullable=False),
    Column("started", Float, nullable=False, index=True),
    Column("first_page", Integer, nullable=False, default=1),
    Column("ended", Float),
    Column("dialog", String(300), nullable=False, default=""),
    Column("outcome", String(40), nullable=False, default=""),
    Column("result", JSON),
    Index("attempt_route", "route", "started"),
    Index("attempt_host", "host", "state"),
)

page = Table(
    "confirmed_page",
    metadata,
    Column("fax", String(50), ForeignKey("fax.id", ondelete="CASCADE"), primary_key=True),
    Column("page", Integer, primary_key=True),
    # No foreign key: empty where a person said that the page arrived.
    Column("attempt", String(60), nullable=False),
    Column("confirmed", Float, nullable=False),
)

number_memory = Table(
    "number_memory",
    metadata,
    Column("number", String(120), primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("updated", Float, nullable=False),
    Column("expires", Float, nullable=False),
)

host = Table(
    "host",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("started", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", String(40), nullable=False),
    Column("facts", JSON, nullable=False),
)

received = Table(
    "received_fax",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("host", String(120), nullable=False),
    Column("route", String(64), nullable=False, default=""),
    Column("caller", String(300), nullable=False, default=""),
    Column("called", String(300), nullable=False, default=""),
    Column("station_id", String(40), nullable=False, default=""),
    Column("sub_address", String(40), nullable=False, default=""),
    Column("pages", Integer, nullable=False),
    Column("partial", Boolean, nullable=False),
    Column("document", String(40), ForeignKey("document.id")),
    Column("result", JSON, nullable=False),
    Column("rule", String(64), nullable=False, default=""),
    # When its document may go, if it was delivered; None for never.
    Column("expires", Float, index=True),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", String(60), primary_key=True),
    # A received fax, or what an event is about: with several tables behind it no foreign key is possible.
    Column("subject", String(50), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("target", String(400), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created", Float, nullable=False),
    Column("next_attempt", Float),
    Column("error", Text, nullable=False, default=""),
    Column("finished", Float),
    Column("event", BigInteger),
    # The host that is at it, until next_attempt; empty while it is at no host.
    Column("host", String(120), nullable=False, default=""),
    Index("delivery_state", "state", "next_attempt"),
    Index("delivery_created", "created"),
)

target = Table(
    "disabled_target",
    metadata,
    Column("name", String(400), primary_key=True),
    Column("disabled", Float, nullable=False),
    Column("reason", Text, nullable=False),
)

blocked_caller = Table(
    "blocked_caller",
    metadata,
    Column("pattern", String(200), primary_key=True),
    Column("created", Float, nullable=False),
    Column("note", String(200), nullable=False, default=""),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("revoked", Float),
    Column("last_used", Float),
    Column("limits", JSON, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", _NUMBERED, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("key", String(40), nullable=False),
    Column("address", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(60), nullable=False, index=True),
    Column("detail", JSON, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("number", _NUMBERED, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("subject", String(60), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    UniqueConstraint("subject", "sequence"),
    # A number is not used again when all events have expired: readers ask for what comes after one.
    sqlite_autoincrement=True,
)
