"""The messages between a program and its image workers; their form is that of ``sip.ipc.codec``.

A worker has one request at a time, and gives one reply to it. ``job`` is the name of a request in logs and
errors.
"""

from __future__ import annotations

from typing import ClassVar

from sip.frozen import dataclass
from sip.ipc.codec import Codec
from t38fsp.image.values import FileId, Growing, HeaderLine, Identity, LastPage
from t38fsp.t30.vocabulary import PageMode, PageQuality, Resolution

MAX_FRAME = 1024 * 1024 * 1024
"""Octets. A page has what the call let through, and a worker no more memory than its limit; this one is to
end a stream that has come apart."""


# --- to a worker --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prove:
    """Show that there is enough of everything for a page."""

    job: ClassVar[str] = "prove"


@dataclass(frozen=True, slots=True)
class Inspect:
    job: ClassVar[str] = "inspect"
    path: str


@dataclass(frozen=True, slots=True)
class Encode:
    job: ClassVar[str] = "encode"
    path: str
    identity: Identity
    number: int
    place: int
    lengths: tuple[int, ...]
    """As Inspected said."""
    facts: int
    """As Encoded said."""
    mode: PageMode
    header: HeaderLine | None


@dataclass(frozen=True, slots=True)
class CheckRoom:
    job: ClassVar[str] = "check_room"
    path: str
    append: bool


@dataclass(frozen=True, slots=True)
class Create:
    job: ClassVar[str] = "create"
    path: str
    append: bool


@dataclass(frozen=True, slots=True)
class Store:
    """Answered by Grows, then by Stored."""

    job: ClassVar[str] = "store"
    path: str
    page: bytes
    mode: PageMode
    only: FileId | None
    """The file to store into; whichever has the name if None."""
    counted: PageQuality | None
    """The lines, where they were counted as they arrived."""
    last: LastPage | None
    """As Stored said of the page before it."""
    since: int | None = None
    """What Grows told of an earlier try, which came to no end."""


@dataclass(frozen=True, slots=True)
class Finish:
    job: ClassVar[str] = "finish"
    path: str
    total: int
    only: FileId | None


@dataclass(frozen=True, slots=True)
class Complete:
    job: ClassVar[str] = "complete"
    path: str
    growing: Growing


@dataclass(frozen=True, slots=True)
class Discard:
    job: ClassVar[str] = "discard"
    path: str
    growing: Growing


Request = Prove | Inspect | Encode | CheckRoom | Create | Store | Finish | Complete | Discard

# --- from a worker ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """Answers Prove, CheckRoom, Finish and Discard."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Answers any request; ``error`` names the class of what was raised."""

    error: str
    message: str


PageFields = tuple[int, int, Resolution, int, tuple[int, ...]]
"""Width, rows, resolution, place, and lengths of strips that its directory does not tell. Bare, for speed: a
document may have thousands, and they are read on the loop that sends packets."""


@dataclass(frozen=True, slots=True)
class Inspected:
    identity: Identity
    pages: tuple[PageFields, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    page: bytes
    facts: int
    """What is known of the page now."""


@dataclass(frozen=True, slots=True)
class Created:
    growing: Growing


@dataclass(frozen=True, slots=True)
class Grows:
    """``since`` are the octets that the file has before the page is stored."""

    since: int


@dataclass(frozen=True, slots=True)
class Stored:
    quality: PageQuality
    last: LastPage


@dataclass(frozen=True, slots=True)
class Completed:
    path: str
    """The name that was free."""


Reply = Done | Refused | Inspected | Encoded | Created | Grows | Stored | Completed

Message = Request | Reply

CODEC: Codec[Message] = Codec(Message, max_frame=MAX_FRAME)
