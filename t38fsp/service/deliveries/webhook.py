"""Received faxes and events to a webhook, after Standard Webhooks 1.0.

The body is ``{"type", "timestamp", "subject", "sequence", "data"}``: ``sequence`` counts the events of a
subject from 1, since the order in which they arrive is not kept. With ``attach`` a received fax has its files
in ``data.files``, each with ``name``, ``type`` and ``content`` in base64.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import mimetypes
import os
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from t38fsp.received.wire import Delivered
from t38fsp.service.deliveries.files import Files
from t38fsp.service.deliveries.way import NotDeliveredError, Order
from t38fsp.service.guard import GuardedTransport, GuardError, fault_text
from t38fsp.service.targets import secret_octets

_AGENT = f"t38fsp/{version('t38fsp')}"
_GONE = 410
_MOST_ATTACHED = 50_000_000
"""Octets of files, before base64."""
_LONGEST_WAIT = 86400.0
"""Seconds of Retry-After that are believed."""


class WebhookWay:
    """A status from 200 to 299 means that it arrived; 410 that the target wants nothing more, ever."""

    def __init__(self, files: Files, clock: Callable[[], float] = time.time) -> None:
        self._files = files
        self._clock = clock
        self._context: ssl.SSLContext | None = None

    async def deliver(self, order: Order) -> None:
        if order.target.attach and order.fax is not None:
            async with self._files.made(order) as made:
                files = await asyncio.to_thread(_attached, made)
        else:
            files = None
        await self._post(order, _body(order, files))

    async def settle(self, order: Order) -> None:
        """``webhook-id`` is the same at a repetition."""

    async def _post(self, order: Order, body: bytes) -> None:
        target = order.target
        if self._context is None:
            # Once, and in a thread: it reads all certificates that this machine trusts.
            self._context = await asyncio.to_thread(ssl.create_default_context)
        sent = {
            **signed_headers(order.id, int(self._clock()), body, target.secrets),
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
        }
        try:
            async with (
                # httpx's own limit is for each read and write: a server that sends octet by octet stays below
                # it.
                asyncio.timeout(target.seconds),
                httpx.AsyncClient(
                    transport=GuardedTransport(order.guard, verify=self._context),
                    timeout=target.seconds,
                    # No proxy and no .netrc of the environment of this process.
                    trust_env=False,
                ) as client,
                # The answer is not read: its status is all that counts.
                client.stream("POST", target.webhook, content=body, headers=sent) as response,
            ):
                self._judge(response)
        except TimeoutError:
            raise NotDeliveredError(f"the webhook did not answer within {target.seconds:g} s") from None
        except GuardError as error:
            raise NotDeliveredError(str(error)) from error
        except (httpx.HTTPError, httpx.StreamError, ValueError) as error:
            raise NotDeliveredError(f"the webhook cannot be reached: {fault_text(error)}") from error

    def _judge(self, response: httpx.Response) -> None:
        """Raises NotDeliveredError."""
        status = response.status_code
        if response.is_success:
            return
        if status == _GONE:
            raise NotDeliveredError("the webhook answered 410: it wants no more", gone=True)
        more = ", a redirect, which is not followed" if response.is_redirect else ""
        raise NotDeliveredError(
            f"the webhook answered {status}{more}",
            retry_after=_retry_after(response.headers.get("retry-after", ""), self._clock()),
        )


def _body(order: Order, files: list[dict[str, str]] | None) -> bytes:
    """The same octets at each attempt."""
    notice = order.notice
    data: dict[str, Any] = dict(notice.data)
    if files is not None:
        data["files"] = files
    content = {
        "type": notice.kind,
        "timestamp": datetime.fromtimestamp(notice.at, UTC).isoformat(timespec="milliseconds"),
        "subject": notice.subject,
        "sequence": notice.sequence,
        "data": data,
    }
    # What is signed is these octets, so they are made once and sent as they are.
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _attached(made: Delivered) -> list[dict[str, str]]:
    """Raises NotDeliveredError."""
    octets = sum(os.path.getsize(path) for path in made.files)
    if octets > _MOST_ATTACHED:
        raise NotDeliveredError(
            f"the files have {octets} octets, and {_MOST_ATTACHED} is the most that a webhook gets; see the "
            "fax in the list of received faxes",
            final=True,
        )
    return [
        {
            "name": os.path.basename(path),
            "type": mimetypes.types_map[os.path.splitext(path)[1]],
            "content": base64.b64encode(Path(path).read_bytes()).decode("ascii"),
        }
        for path in made.files
    ]


def _retry_after(value: str, now: float) -> float | None:
    """Seconds, of a number or a date (RFC 9110 10.2.3)."""
    if value.isascii() and value.isdigit():
        # Ten digits are above the limit already; a header may have thousands.
        return min(float(value[:10]), _LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def signed_headers(id: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The headers of a request; one signature for each secret, while the far end changes its own.

    ``timestamp`` is that of the attempt, in seconds since the epoch; ``id`` is the same at each attempt.
    """
    # Standard Webhooks 1.0: id and time are signed with the body, so that a receiver can refuse a request
    # that was recorded and is sent again.
    signed = b"%s.%d.%s" % (id.encode("ascii"), timestamp, body)
    signatures = (
        base64.b64encode(hmac.digest(secret_octets(secret), signed, hashlib.sha256)).decode("ascii")
        for secret in secrets
    )
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
