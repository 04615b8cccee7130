"""Documents that a client names by URL. Off unless hosts are allowed."""

from __future__ import annotations

import asyncio
from posixpath import basename
from urllib.parse import unquote

import httpx

from sip.bounds import check, setting
from sip.frozen import dataclass
from sip.line_settings import parse_network
from t38fsp.errors import SettingError
from t38fsp.service.guard import Guard, GuardedTransport, GuardError

_LONGEST_NAME = 200


def _check_hosts(hosts: object) -> None:
    if not isinstance(hosts, tuple) or not all(isinstance(each, str) and each.strip() for each in hosts):
        raise ValueError(f"{hosts!r} is not a list of names of hosts")
    if "*" in hosts:
        raise ValueError("* would let clients name any host; list those that have documents")


def _check_networks(networks: object) -> None:
    if not isinstance(networks, tuple):
        raise ValueError(f"{networks!r} is not a list of networks")
    for each in networks:
        parse_network(each)


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """Documents by URL; raises SettingError."""

    hosts: tuple[str, ...] = setting((), check=_check_hosts, table="fetch")
    """Hosts that documents may be fetched from, ``["files.example.com", "*.example.org"]``. Default: none, so
    that a URL is refused."""
    networks: tuple[str, ...] = setting((), check=_check_networks, table="fetch")
    """Private networks in which these hosts may be; all others that are not public are refused."""
    plain: bool = setting(False, table="fetch")
    """Allow ``http`` beside ``https``."""
    seconds: float = setting(30.0, above=0.0, most=300.0, unit="seconds", table="fetch")
    """Time for a document."""

    def __post_init__(self) -> None:
        check(self, SettingError)

    @property
    def guard(self) -> Guard:
        return Guard(self.hosts, tuple(map(parse_network, self.networks)), self.plain)


async def fetch(url: str, settings: FetchSettings, most: int) -> tuple[str, bytes]:
    """Name and content of a document of at most ``most`` octets. Raises GuardError; redirects are refused."""
    if not settings.hosts:
        raise GuardError("documents are not fetched by URL here; send the content, or have a host allowed")
    read = settings.guard.check(url)
    try:
        async with asyncio.timeout(settings.seconds):
            return _name(read), await _content(read, settings, most)
    except TimeoutError:
        raise GuardError(
            f"the document at {read.host} was not there within {settings.seconds:.0f} s; try again"
        ) from None
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise GuardError(f"the document at {read.host} could not be fetched: {_why(error)}") from error


async def _content(url: httpx.URL, settings: FetchSettings, most: int) -> bytes:
    async with (
        httpx.AsyncClient(
            transport=GuardedTransport(settings.guard), timeout=settings.seconds, trust_env=False
        ) as client,
        # A coded answer could grow without limit when it is decoded.
        client.stream("GET", url, headers={"Accept-Encoding": "identity", "Accept": "*/*"}) as response,
    ):
        if response.status_code != 200:
            raise GuardError(
                f"the document at {url.host} could not be fetched: the answer is {response.status_code}, "
                "and only 200 is taken, no redirect"
            )
        content = bytearray()
        async for part in response.aiter_raw():
            content += part
            if len(content) > most:
                raise GuardError(f"the document at {url.host} is too large: the maximum is {most} octets")
        return bytes(content)


def _name(url: httpx.URL) -> str:
    name = basename(unquote(url.path))[-_LONGEST_NAME:]
    return name if name and name.isprintable() else "document"


def _why(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
