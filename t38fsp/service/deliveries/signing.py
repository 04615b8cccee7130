"""Signs requests after Standard Webhooks 1.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from t38fsp.service.targets import secret_octets


def headers(id: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The headers of a request; one signature for each secret, while the far end changes its own.

    ``timestamp`` is that of the attempt, in seconds since the epoch; ``id`` is the same at each attempt.
    """
    # Id and time are signed with the body, so that a request that was recorded cannot be sent again
    # later.
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
