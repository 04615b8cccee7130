"""Documents in the database: each content once, however many jobs and received faxes have it."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, delete, exists, insert, select

from t38fsp.service.errors import NotFoundError
from t38fsp.service.ids import new_id
from t38fsp.service.tables import document, job_document, received
from t38fsp.service.values import Document


def store(connection: Connection, content: bytes, now: float) -> str:
    """Keep ``content``; return its id, the same one for the same octets."""
    # By the hash alone: the contents would have to be read to compare them.
    sha256 = hashlib.sha256(content).hexdigest()
    # Locked, so that no other host removes it as unused before this transaction uses it.
    same = select(document.c.id).where(document.c.sha256 == sha256).limit(1).with_for_update()
    found = connection.execute(same).scalar()
    if found is not None:
        return str(found)
    # Two hosts that store the same octets at the same time make two rows, which does no harm.
    id = new_id("d")
    connection.execute(
        insert(document).values(id=id, sha256=sha256, octets=len(content), content=content, created=now)
    )
    return id


def content(connection: Connection, id: str) -> bytes:
    """Raises NotFoundError."""
    found = connection.execute(select(document.c.content).where(document.c.id == id)).scalar()
    if found is None:
        raise NotFoundError("document", id)
    return bytes(found)


def of_job(connection: Connection, job: str) -> tuple[Document, ...]:
    """The documents of a job, in their order."""
    rows = connection.execute(
        select(document.c.id, job_document.c.name, document.c.sha256, document.c.octets)
        .join_from(job_document, document)
        .where(job_document.c.job == job)
        .order_by(job_document.c.position)
    )
    return tuple(Document(*row) for row in rows)


def drop_unreferenced(connection: Connection, *ids: str) -> int:
    """Remove those of ``ids`` that neither a job nor a received fax has; return how many they were."""
    # In a statement of its own: what another transaction has stored with it meanwhile is seen after that.
    connection.execute(select(document.c.id).where(document.c.id.in_(ids)).with_for_update())
    unused = (
        document.c.id.in_(ids),
        ~exists().where(job_document.c.document == document.c.id),
        ~exists().where(received.c.document == document.c.id),
    )
    return connection.execute(delete(document).where(*unused)).rowcount
