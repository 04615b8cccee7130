"""Debian's PostgreSQL, in a folder of its own and reachable by a Unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

_PROGRAMS = Path("/usr/lib/postgresql")
_OWNER = "postgres"
"""Whom the server runs as if we are root, which it refuses to be."""
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",
    "fsync": "off",
    "max_connections": "100",
    "shared_buffers": "16MB",
}


def program(name: str) -> str:
    """Path of a program of the newest version. Fails, and names the package, if there is none."""
    found = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    assert found, f"{name} is missing; install the package postgresql (.ci/peers full)"
    return str(found[-1])


class Postgres:
    """A running server; a context manager."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._as_owner: dict[str, str] = {}
        if os.geteuid() == 0:
            shutil.chown(self._folder, _OWNER, _OWNER)
            self._as_owner = {"user": _OWNER, "group": _OWNER}

    def __enter__(self) -> Self:
        try:
            self._run(
                "initdb", "--auth=trust", "--username=fax", "--no-sync", "--encoding=UTF8", "--locale=C"
            )
            with (self._data / "postgresql.auto.conf").open("a") as file:
                for name, value in {**_SETTINGS, "unix_socket_directories": str(self._folder)}.items():
                    file.write(f"{name} = '{value}'\n")
            self.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        self._run("pg_ctl", "--wait", f"--log={self._folder / 'log'}", "start")

    def stop(self) -> None:
        """At once, as in a crash; connections break."""
        self._run("pg_ctl", "--wait", "--mode=immediate", "stop")

    def pause(self) -> None:
        """All of its processes stand still: connections stay, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def database(self, name: str) -> str:
        """Make a database; its URL."""
        with psycopg.connect(
            host=str(self._folder), user="fax", dbname="postgres", autocommit=True
        ) as server:
            server.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
        return f"postgresql://fax@/{name}?host={self._folder}"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _signal(self, number: signal.Signals) -> None:
        main = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            os.kill(process, number)

    def _run(self, name: str, *arguments: str) -> None:
        command = [program(name), f"--pgdata={self._data}", *arguments]
        ran = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd="/",
            timeout=60,
            check=False,
            text=True,
            **self._as_owner,  # type: ignore[call-overload]
        )
        assert ran.returncode == 0, f"{name} failed: {ran.stderr[-500:]}"
