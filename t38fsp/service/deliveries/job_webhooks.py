"""Webhooks that come with a job: where they may lead, and how they are signed.

A job's webhook is a URL that a client chose. It is called only at hosts that the settings name, with requests
that are signed for the API key of the job.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from sip.line_settings import parse_network
from t38fsp.errors import SettingError
from t38fsp.service.delivery_settings import RetrySettings
from t38fsp.service.guard import AddressGuard, GuardError
from t38fsp.service.targets import SECRET_PREFIX, Target, check_webhook, secret_octets

_SECONDS = 30.0
"""For one attempt."""


def guard_of(settings: RetrySettings) -> AddressGuard:
    """What the webhook of a job may name."""
    return AddressGuard(
        settings.webhook_hosts, tuple(map(parse_network, settings.webhook_networks)), settings.webhook_plain
    )


def check(url: str, settings: RetrySettings) -> None:
    """Raises SettingError for a webhook that a job cannot have; call it before the job is accepted."""
    if not settings.webhook_hosts:
        raise SettingError(
            "jobs have no webhooks here; leave it out, or have webhook_hosts set in [service.deliveries]"
        )
    try:
        check_webhook(url)
        guard_of(settings).check(url)
    except (ValueError, GuardError) as error:
        raise SettingError(str(error)) from error


def secrets_of(key: str, settings: RetrySettings) -> tuple[str, ...]:
    """The secrets that sign the webhooks of the jobs of an API key; the first one is for the far end.

    They follow from those of the settings, so that each key has its own, and none is stored. ``key`` is the
    id of the key, empty for jobs of the local socket.
    """
    made = (
        hmac.digest(secret_octets(secret), b"webhook:" + key.encode(), hashlib.sha256)
        for secret in settings.webhook_secrets
    )
    return tuple(SECRET_PREFIX + base64.b64encode(each).decode("ascii") for each in made)


def target_of(url: str, key: str, settings: RetrySettings) -> Target | None:
    """The webhook as a target; None if jobs have no webhooks any more."""
    if not settings.webhook_secrets:
        return None
    # A target with http has to be a private one; which addresses are admitted is for the guard to say.
    secrets = secrets_of(key, settings)
    return Target(url, webhook=url, secrets=secrets, seconds=_SECONDS, private=settings.webhook_plain)
