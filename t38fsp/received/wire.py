"""The messages between a program that takes faxes and the processes that deliver them (worker.py)."""

from __future__ import annotations

from sip.frozen import dataclass
from sip.ipc.codec import Codec
from t38fsp.choices import FileFormat


@dataclass(frozen=True, slots=True)
class Deliver:
    """Put the files of a fax, whose record is at this path, into ``folder``."""

    record: str
    folder: str
    name: str
    """Template of the names."""
    format: FileFormat
    sidecar: bool
    languages: str
    """Languages of the text to be recognised; empty for none."""
    seconds: float
    """Limit for the text of a page."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The files have their names; a path is empty if there is no such file."""

    tiff: str
    pdf: str
    sidecar: str
    warnings: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.tiff, self.pdf, self.sidecar)))


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """The files are where they were."""

    message: str


Message = Deliver | Delivered | NotDelivered

CODEC: Codec[Message] = Codec(Message)
