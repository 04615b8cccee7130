"""The client of the REST API: over the Unix socket of a service on this machine, or by URL and key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from sip.frozen import dataclass
from t38fsp.choices import PREFIX
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.service.web_settings import SOCKET
from t38fsp.settings.errors import ConfigurationError
from t38fsp.settings.passwords import read_password
from t38fsp.settings.places import found

URL_VARIABLE = f"{PREFIX}URL"
KEY_VARIABLE = f"{PREFIX}KEY"

_SYSTEM = Path("/run/t38fsp", SOCKET)
"""The socket that the systemd unit in examples/systemd makes."""
_CONNECT_SECONDS = 10.0
_SECONDS = 120.0
"""A submission of many documents takes as long as they are checked."""
# The most that the API allows (t38fsp.service.web.cursors).
_PAGE = 200
_MOST_FAULTS = 10
_INDEXED = re.compile(r"^(receiver|document)s\[(\d+)\](?:\.to)?")


@dataclass(frozen=True, slots=True)
class Where:
    """Which service is meant; what is not given is looked for."""

    url: str | None = None
    key_file: Path | None = None
    socket: Path | None = None
    config: Path | None = None


class ServiceClient:
    """A connection to the service. All methods raise CommandError; use it in a ``with`` block."""

    def __init__(self, where: Where) -> None:
        url = where.url or os.environ.get(URL_VARIABLE, "")
        if url and where.socket is None:
            self.shown = url
            transport = None
            headers = {"Authorization": f"Bearer {_key(where)}"}
            if not url.startswith(("http://", "https://")):
                raise CommandError(f"{url!r} is not a URL; write https://HOST:PORT", Exit.USAGE)
        else:
            socket = where.socket or _socket(where.config)
            # The name is for the header Host alone: the transport connects to the socket.
            self.shown, url = str(socket), "http://localhost"
            # verify: there is no TLS, and the certificates of all authorities take time to load.
            transport = httpx.HTTPTransport(uds=str(socket), verify=False)
            headers = {}
        timeout = httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
        # trust_env: a proxy of the environment is for the web, not for a service that was named.
        self._client = httpx.Client(
            base_url=url, headers=headers, transport=transport, timeout=timeout, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """``query`` without those that are None or empty."""
        wanted = {name: value for name, value in query.items() if value not in (None, "")}
        return self._json(self._request("GET", path, params=wanted))

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        """``content`` as httpx takes it: json, data, files, headers."""
        return self._json(self._request("POST", path, **content))

    def delete(self, path: str) -> dict[str, Any]:
        return self._json(self._request("DELETE", path))

    def octets(self, path: str) -> bytes:
        return self._request("GET", path).content

    def every(self, path: str, most: int | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page, up to ``most``."""
        cursor, left = None, most
        while left is None or left > 0:
            limit = _PAGE if left is None else min(_PAGE, left)
            page = self.get(path, limit=limit, cursor=cursor, **query)
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            cursor = page.get("next")
            if not cursor:
                return

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **more)
        except httpx.TimeoutException as error:
            raise CommandError(
                f"the service at {self.shown} does not answer; see whether it is overloaded", Exit.ERROR
            ) from error
        # InvalidURL is no HTTPError.
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise CommandError(
                f"the service at {self.shown} cannot be reached ({_reason(error)}); start it with t38fsp "
                "serve, or name another with --url",
                Exit.ERROR,
            ) from error
        if response.status_code >= 400:
            raise _refused(response, self.shown)
        return response

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code == 204:
            return {}
        with suppress(ValueError):
            found = response.json()
            if isinstance(found, dict):
                return found
        raise CommandError(f"what answers at {self.shown} is not this service; correct the URL", Exit.ERROR)


def _refused(response: httpx.Response, shown: str) -> CommandError:
    problem: Mapping[str, Any] = {}
    with suppress(ValueError):
        found = response.json()
        problem = found if isinstance(found, dict) else {}
    # The request was wrong, and would be refused again.
    # Not 401, 403, 429 and 5xx: there the command line is right, and the key or the service is not.
    status = Exit.USAGE if response.status_code in (400, 404, 409, 413, 415, 422) else Exit.ERROR
    detail = str(problem.get("detail") or f"{shown} answered {response.status_code}")
    faults = [each for each in problem.get("errors") or () if isinstance(each, dict)]
    if faults:
        # The detail of these only points at them.
        named = [
            ": ".join(filter(None, (_shown_field(each.get("field")), str(each.get("message") or ""))))
            for each in faults
        ]
        if all(str(each.get("field")).startswith("documents[") for each in faults):
            status = Exit.BAD_DOCUMENT
        more = len(named) - _MOST_FAULTS
        detail = "; ".join(named[:_MOST_FAULTS]) + (f" (and {more} more)" if more > 0 else "")
    return CommandError(detail, status)


def _shown_field(field: object) -> str:
    """The field of a fault as a person counts: ``receivers[0].to`` is that of receiver 1."""
    return _INDEXED.sub(lambda found: f"{found[1]} {int(found[2]) + 1}", str(field or ""))


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    # httpx wraps the error of the system more than once.
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def _key(where: Where) -> str:
    if where.key_file is not None:
        try:
            return read_password(where.key_file)
        except ConfigurationError as error:
            raise CommandError(f"--key-file: {error}", Exit.USAGE) from error
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        raise CommandError(
            f"a service at a URL wants a key; name its file with --key-file, or set {KEY_VARIABLE}",
            Exit.USAGE,
        )
    if not key.isascii() or not key.isprintable():
        raise CommandError(f"{KEY_VARIABLE} has characters that no key has; set it again", Exit.USAGE)
    return key


def _socket(config: Path | None) -> Path:
    """The socket that the configuration file names, or the first usual one that exists."""
    candidates = [*_configured(config), *_usual()]
    for each in candidates:
        if os.path.exists(each):
            return each
    shown = ", ".join(map(str, dict.fromkeys(candidates)))
    raise CommandError(
        f"no service runs here: there is none of {shown}; start one with t38fsp serve, or name one with "
        "--socket or --url",
        Exit.ERROR,
    )


def _configured(config: Path | None) -> list[Path]:
    # Not all settings are read: a client needs none of them, and may not be allowed to see the secrets.
    if variable := os.environ.get(f"{PREFIX}SERVICE__WEB__SOCKET"):
        return [Path(variable)]
    file = config or found()
    service: Any = {}
    with suppress(OSError, ValueError):
        if file is not None:
            service = tomllib.loads(file.read_text(encoding="utf-8")).get("service", {})
    service = service if isinstance(service, dict) else {}
    web = service.get("web")
    folder = Path() if file is None else file.absolute().parent
    named = [web.get("socket") if isinstance(web, dict) else None]
    if isinstance(state := service.get("state"), str) and state:
        named.append(f"{state}/{SOCKET}")
    return [folder / Path(each).expanduser() for each in named if isinstance(each, str) and each]


def _usual() -> list[Path]:
    state = Path(os.path.expanduser(os.environ.get("XDG_STATE_HOME") or "~/.local/state"))
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    users = [Path(runtime, "t38fsp", SOCKET)] if runtime else []
    # A service of the user before that of the system.
    return [*users, state / "t38fsp" / SOCKET, _SYSTEM]
