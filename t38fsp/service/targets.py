"""Targets: where received faxes go by rules, and events by their kind."""

from __future__ import annotations

import base64
import binascii
import re
from enum import Enum
from urllib.parse import urlsplit

from sip.bounds import check, like, setting, text
from sip.frozen import dataclass
from sip.line_settings import parse_network
from t38fsp.choices import FileFormat
from t38fsp.errors import SettingError
from t38fsp.inbox_settings import InboxSettings

SECRET_PREFIX = "whsec_"

_LONGEST_URL = 400
_MOST_SECRETS = 8
_SECRET_OCTETS = (24, 64)
"""Least and most, as Standard Webhooks has it."""
_MOST_ADDRESSES = 50
# RFC 5321 without quoted local parts, and without SMTPUTF8, which many servers do not take.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_EVENT = re.compile(r"[a-z]{1,20}\.([a-z_]{1,30}|\*)|\*")
_TABLE = "service.targets"


def check_webhook(url: object) -> None:
    """Raises ValueError for what is not the URL of a webhook."""
    if not isinstance(url, str) or len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable():
        raise ValueError(
            f"{str(url)[:60]!r} is not a URL of up to {_LONGEST_URL} ASCII characters; write https://HOST/PATH"
        )
    if not url:
        return
    try:
        parts = urlsplit(url)
        # ``port`` raises ValueError above 65535.
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = None
    if not valid or " " in url or "#" in url:
        raise ValueError(f"{url[:60]!r} is not the URL of a webhook; write https://HOST/PATH")
    if parts.username or parts.password:
        raise ValueError("a webhook has no user and no password in its URL; requests are signed instead")


def check_secrets(secrets: object) -> None:
    """Raises ValueError, without the secrets."""
    if not isinstance(secrets, tuple | list) or len(secrets) > _MOST_SECRETS:
        raise ValueError(f"write a list of up to {_MOST_SECRETS} secrets")
    for secret in secrets:
        if not isinstance(secret, str):
            raise ValueError("a secret is a text")
        secret_octets(secret)


def secret_octets(secret: str) -> bytes:
    """The key of a webhook's secret, ``whsec_`` and base64. Raises ValueError, without the secret."""
    least, most = _SECRET_OCTETS
    try:
        octets = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not secret.startswith(SECRET_PREFIX) or not least <= len(octets) <= most:
        raise ValueError(
            f"a secret of a webhook is {SECRET_PREFIX} and the base64 of {least} to {most} random octets; "
            f"make one with: echo {SECRET_PREFIX}$(head -c 32 /dev/urandom | base64)"
        )
    return octets


def check_addresses(addresses: object) -> None:
    """Raises ValueError."""
    if not isinstance(addresses, tuple | list) or len(addresses) > _MOST_ADDRESSES:
        raise ValueError(f"write a list of up to {_MOST_ADDRESSES} addresses")
    for address in addresses:
        check_address(address)


def check_address(address: object) -> None:
    if address == "":
        return
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address) or ".." in address:
        raise ValueError(f"{str(address)[:60]!r} is not an address of mail; write NAME@DOMAIN in ASCII")


def check_events(events: object) -> None:
    """Raises ValueError."""
    for event in events if isinstance(events, tuple | list) else (events,):
        if not isinstance(event, str) or not _EVENT.fullmatch(event):
            raise ValueError(
                f"{str(event)[:60]!r} is not a kind of events; write a list such as "
                "['fax.delivered', 'fax.failed']"
            )


def check_hosts(hosts: object) -> None:
    """Raises ValueError."""
    for host in hosts if isinstance(hosts, tuple | list) else (hosts,):
        if not isinstance(host, str) or not 0 < len(host) <= 253 or not re.fullmatch(r"[\w.*-]+", host):
            raise ValueError(
                f"{str(host)[:60]!r} is not the name of a host; write a list such as ['*.example']"
            )


def check_networks(networks: object) -> None:
    """Raises ValueError."""
    for network in networks if isinstance(networks, tuple | list) else (networks,):
        parse_network(network)


class TargetKind(Enum):
    """Its values are the keys of the file that make a target one of this kind."""

    FOLDER = "folder"
    WEBHOOK = "webhook"
    COMMAND = "command"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Target:
    """``[service.targets.NAME]``: where received faxes go by rules, and events. It has one of ``folder``,
    ``webhook``, ``command`` and ``mail``.

    Raises SettingError for a value out of range, and for keys that do not go together.
    """

    name: str = ""
    folder: str = setting("", check=text, table=_TABLE)
    """Folder that gets the files of a fax. With several hosts it is one that all of them have."""
    webhook: str = setting("", check=check_webhook, table=_TABLE)
    """URL that is called, after Standard Webhooks."""
    command: str = like(InboxSettings, "exec", table=_TABLE)
    """Program with arguments, run without a shell; variables ``FAX_…`` of its environment contain the facts
    and the paths of the files, which are removed when it has ended."""
    mail: tuple[str, ...] = setting((), check=check_addresses, table=_TABLE)
    """Addresses that get the fax by e-mail, each in a message of its own; needs ``[service.mail]``."""
    format: FileFormat = setting(FileFormat.PDF, table=_TABLE)
    """The file or files of a fax."""
    file_name: str = like(InboxSettings, "name", table=_TABLE)
    """Name of the files, without their suffix, with the fields of ``name`` of ``[received]``. Default:
    ``"fax-{date}-{time}-{job}"``."""
    sidecar: bool = like(InboxSettings, "sidecar", table=_TABLE)
    """Folder: put a JSON file with the facts of the fax beside its files; it appears after them."""
    ocr: bool = like(InboxSettings, "ocr", table=_TABLE)
    """Recognise the text of the pages, for the search in a PDF; needs tesseract."""
    ocr_languages: str = like(InboxSettings, "ocr_languages", table=_TABLE)
    """Languages of the text, as tesseract names them, such as ``"eng+deu"``. Default: ``"eng"``."""
    ocr_seconds: float = like(InboxSettings, "ocr_seconds", table=_TABLE)
    """Limit for the text of one page; a page that takes longer has none."""
    secrets: tuple[str, ...] = setting((), check=check_secrets, secret=True, table=_TABLE)
    """Webhook: secrets (``whsec_…``) that sign each request, several while the far end changes its own."""
    attach: bool = setting(False, table=_TABLE)
    """Webhook: put the files of a received fax into the body, in base64."""
    events: tuple[str, ...] = setting((), check=check_events, table=_TABLE)
    """Webhook: kinds of events that it gets, such as ``"fax.delivered"`` or ``"fax.*"``."""
    private: bool = setting(False, table=_TABLE)
    """Webhook: it may be at an address of this machine or of a private network."""
    seconds: float = setting(60.0, least=1.0, most=3600.0, unit="seconds", table=_TABLE)
    """Limit for one attempt; the files of the fax are made before."""

    def __post_init__(self) -> None:
        check(self, SettingError)
        kinds = [kind for kind in TargetKind if getattr(self, kind.value)]
        if len(kinds) != 1:
            found = " and ".join(kind.value for kind in kinds) or "none"
            raise SettingError(
                f"a target has one of folder, webhook, command and mail, but this one has {found}; "
                "write a target for each"
            )
        (kind,) = kinds
        for name, wanted in (
            ("secrets", TargetKind.WEBHOOK),
            ("attach", TargetKind.WEBHOOK),
            ("events", TargetKind.WEBHOOK),
            ("private", TargetKind.WEBHOOK),
            ("sidecar", TargetKind.FOLDER),
        ):
            if getattr(self, name) and kind is not wanted:
                raise SettingError(f"{name}: only a {wanted.value} has it; remove it")
        if kind is TargetKind.WEBHOOK and not self.secrets:
            raise SettingError("secrets: missing; a webhook signs its requests, so give it a secret")
        if kind is TargetKind.WEBHOOK and self.webhook.startswith("http:") and not self.private:
            raise SettingError(
                "webhook: http is readable on its way; use https, or set private = true for a host of your "
                "own network"
            )
        if self.ocr and self.format is FileFormat.TIFF:
            raise SettingError("ocr: a TIFF file has no text; set format to pdf or both")

    @property
    def kind(self) -> TargetKind:
        return next(kind for kind in TargetKind if getattr(self, kind.value))
