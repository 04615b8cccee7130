"""Documents that a client names by URL. Off unless hosts are allowed."""

from __future__ import annotations

import asyncio
from posixpath import basename
from urllib.parse import unquote

import httpx

from sip.line_settings import parse_network
from t38fsp.service.guard import AddressGuard, GuardedTransport, GuardError, fault_text
from t38fsp.service.web_settings import FetchSettings

_LONGEST_NAME = 200


async def fetch(url: str, settings: FetchSettings, most: int) -> tuple[str, bytes]:
    """Name and content of a document of at most ``most`` octets. Raises GuardError; redirects are refused."""
    if not settings.hosts:
        raise GuardError("documents are not fetched by URL here; send the content, or have a host allowed")
    guard = AddressGuard(settings.hosts, tuple(map(parse_network, settings.networks)), settings.plain)
    read = guard.check(url)
    try:
        async with asyncio.timeout(settings.fetch_seconds):
            return _name(read), await _content(read, guard, settings.fetch_seconds, most)
    except TimeoutError:
        raise GuardError(
            f"the document at {read.host} was not there within {settings.fetch_seconds:.0f} s; try again"
        ) from None
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise GuardError(f"the document at {read.host} could not be fetched: {fault_text(error)}") from error


async def _content(url: httpx.URL, guard: AddressGuard, seconds: float, most: int) -> bytes:
    async with (
        httpx.AsyncClient(transport=GuardedTransport(guard), timeout=seconds, trust_env=False) as client,
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
