"""DBOS, the durable engine below the queue: the only file that knows it.

A *workflow* is one run of ``attempt(fax, workflow)``, started on one of the hosts when its queue has room,
and started again, on this host or on the one that adopts it, if the process died in it. It has no steps: what
has happened is in our tables. DBOS's own tables are in the same database, so that a workflow is enqueued in
the transaction that releases its fax.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import Connection, text

from t38fsp.service.database import Database

_APPLICATION = "t38fsp"
_VERSION = "1"
"""Version of the workflow's arguments. Not that of the package: after an upgrade, what waits has to run."""
_POLL_SECONDS = 0.1
_QUEUE = "route:"
_NAME = "attempt"
_BATCH = 500
_CONNECTIONS = 10

Attempt = Callable[[str, str], Coroutine[Any, Any, None]]

_current: Durable | None = None
"""DBOS has one instance in a process, and finds workflows by their names."""


class Durable:
    """Starts ``attempt`` for what was enqueued; on the loop that is running when this is entered.

    ``host`` identifies this host among those that share the database; two with one name would both run what
    one has begun.
    """

    def __init__(self, database: Database, host: str, attempt: Attempt) -> None:
        self._database = database
        self._url = database.reached_by.render_as_string(hide_password=False)
        self._host = host
        self._attempt = attempt
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: DBOSClient | None = None
        self._dbos: DBOS | None = None
        self._running: set[str] = set()
        self._stuck: set[str] = set()

    async def start(self, queues: Mapping[str, int]) -> None:
        """Run workflows from now on; ``queues`` has the most that may run at a time of each route."""
        global _current
        assert _current is None, "one service in a process"
        _current = self
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._launch, dict(queues))

    def _launch(self, queues: dict[str, int]) -> None:
        # In a thread without a loop: so DBOS has a loop of its own, and takes no time of that of the calls.
        config: DBOSConfig = {
            "name": _APPLICATION,
            "system_database_url": self._url,
            # At its launch DBOS runs again what this executor had begun; ``adopt`` looks for that of another
            # one.
            "executor_id": self._host,
            "application_version": _VERSION,
            # Its default is pickle, with which who can write to the database can have code run here.
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "sys_db_pool_size": _CONNECTIONS,
            "system_database_engine": self._database.other_engine(_CONNECTIONS),
            "max_executor_threads": 16,
            # Only DBOS's own events and streams, which we do not use, would come sooner by it.
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 1.0,
        }
        self._dbos = DBOS(config=config)
        # Its own handlers would write to standard error, past those of the program.
        logger = logging.getLogger("dbos")
        logger.handlers.clear()
        logger.propagate = True
        DBOS.launch()
        self.set_queues(queues)
        # Lazy: it enqueues only in our transactions, and so needs no connection of its own.
        self._client = DBOSClient(
            system_database_url=self._url,
            serializer=DBOSPortableJSONSerializer(),
            application_name=_APPLICATION,
            lazy=True,
        )

    def set_queues(self, queues: Mapping[str, int]) -> None:
        """Change how many may run at a time; from a thread."""
        for name, most in queues.items():
            DBOS.register_queue(
                _QUEUE + name,
                global_concurrency=most,
                polling_interval_sec=_POLL_SECONDS,
                # The queue is a row that an earlier start has made. By default DBOS changes it only if this
                # is the latest version of the application.
                on_conflict="always_update",
            )

    def enqueue(self, connection: Connection, workflow: str, route: str, fax: str, priority: int) -> None:
        """Enqueue ``attempt(fax, workflow)`` in the transaction of ``connection``."""
        assert self._client is not None
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": _NAME,
                "queue_name": _QUEUE + route,
                "workflow_id": workflow,
                "app_version": _VERSION,
                "priority": priority,
            },
            fax,
            workflow,
        )

    def is_ours(self, connection: Connection, workflow: str) -> bool:
        """Whether a workflow that was started here has not been adopted by another host since."""
        table = _workflows(connection)
        query = text(f"SELECT status, executor_id FROM {table} WHERE workflow_uuid = :id")
        # Adopting makes it ENQUEUED, and the host that then starts it puts its own name there.
        return connection.execute(query, {"id": workflow}).first() == ("PENDING", self._host)

    def lost(self, connection: Connection) -> list[str]:
        """Released faxes whose workflow is over or unknown: it failed by a fault of ours."""
        query = text(
            f"SELECT fax.id FROM fax LEFT JOIN {_workflows(connection)} AS w "
            "ON w.workflow_uuid = fax.workflow WHERE fax.workflow IS NOT NULL "
            "AND (w.status IS NULL OR w.status NOT IN ('PENDING', 'ENQUEUED', 'DELAYED'))"
        )
        return [*connection.execute(query).scalars()]

    async def cancel(self, workflows: Iterable[str]) -> None:
        """Take what waits out of its queue. What runs would lose its place in the queue, not end."""
        await asyncio.to_thread(DBOS.cancel_workflows, [*workflows])

    async def restart_stuck(self) -> None:
        """Start again what is begun here but does not run, at the second call that finds it so.

        Its end could not be stored, for example because the disk was full: it would keep its place in the
        queue for ever. The second run finds that nothing is left to do.
        """
        begun = await asyncio.to_thread(self._begun, self._host)
        idle = {each for each in begun if each not in self._running}
        again = {id: queue for id, queue in begun.items() if id in idle & self._stuck}
        self._stuck = idle
        if again:
            await asyncio.to_thread(self._resume, again)

    async def adopt(self, host: str) -> None:
        """Have what a dead host has begun started again, here or on another host."""
        await asyncio.to_thread(lambda: self._resume(self._begun(host)))

    def _begun(self, host: str) -> dict[str, str | None]:
        """What a host has begun, with its queue."""
        found = DBOS.list_workflows(
            status="PENDING", executor_id=host, app_version=_VERSION, load_input=False
        )
        return {each.workflow_id: each.queue_name for each in found}

    def _resume(self, begun: Mapping[str, str | None]) -> None:
        # Into the same queues again: the limits of the routes hold for these calls, too.
        for queue in {*begun.values()}:
            ids = [id for id, each in begun.items() if each == queue]
            # Without a name DBOS puts them into an internal queue, where no limit of a route holds.
            DBOS.resume_workflows(ids, queue_name=queue)

    async def forget(self, before: float) -> int:
        """Remove workflows that were over before this time; return how many, at most a batch."""
        return await asyncio.to_thread(self._forget, before)

    def _forget(self, before: float) -> int:
        # DBOS keeps finished workflows until they are deleted.
        over = DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            completed_before=datetime.fromtimestamp(before, UTC).isoformat(),
            limit=_BATCH,
            load_input=False,
            load_output=False,
        )
        DBOS.delete_workflows([each.workflow_id for each in over])
        return len(over)

    def pause(self) -> None:
        """Start nothing more; what runs goes on."""
        if self._dbos is not None:
            # It has no method for this. These events end the threads that look for work; ``destroy`` sets
            # them again.
            for event in self._dbos.background_thread_stop_events:
                event.set()

    async def stop(self) -> None:
        """Stop; what still runs is cancelled, and stays begun."""
        global _current
        # It would warn of each workflow that is cancelled.
        logging.getLogger("dbos").setLevel(logging.ERROR)
        # Without an argument it waits for no workflow: FaxService has drained them before.
        await asyncio.to_thread(DBOS.destroy)
        if self._client is not None:
            await asyncio.to_thread(self._client.destroy)
        if _current is self:
            _current = None

    async def run(self, fax: str, workflow: str) -> None:
        """Called on DBOS's loop."""
        assert self._loop is not None
        self._running.add(workflow)
        try:
            running = asyncio.run_coroutine_threadsafe(self._attempt(fax, workflow), self._loop)
            # If DBOS cancels this, the future does so for the coroutine on the other loop.
            await asyncio.wrap_future(running)
        finally:
            self._running.discard(workflow)


def _workflows(connection: Connection) -> str:
    """DBOS's table of workflows."""
    # On PostgreSQL DBOS has a schema of its own; SQLite knows none.
    return "workflow_status" if connection.dialect.name == "sqlite" else "dbos.workflow_status"


# Without a limit of DBOS: a fax in whose calls hosts die is held by ``interrupted``.
@DBOS.workflow(name=_NAME, max_recovery_attempts=None)
async def _run(fax: str, workflow: str) -> None:
    assert _current is not None
    await _current.run(fax, workflow)
