"""The messages between a program and its image workers, encoded by ``sip.ipc.codec``.

A worker has one request at a time, and sends one reply to it. ``job`` is the name of a request in logs and
errors.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from sip.frozen import dataclass
from sip.ipc.codec import Codec
from t38fsp.cover import CoverPage
from t38fsp.image.values import FileId, Growing, HeaderLine, Identity, LastPage
from t38fsp.page_settings import PageSettings
from t38fsp.t30.vocabulary import PageMode, PageQuality, Resolution

MAX_FRAME = 1024 * 1024 * 1024
"""Octets. The call limits the size of a page, and the memory limit that of a worker; this bound only ends a
stream that has lost its framing."""


# --- to a worker --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prove:
    """Run a self-test: check that an ordinary page can be processed."""

    job: ClassVar[str] = "prove"


@dataclass(frozen=True, slots=True)
class Inspect:
    """``settings`` and ``password`` are for documents that are not TIFF-F."""

    job: ClassVar[str] = "inspect"
    path: str
    settings: PageSettings = PageSettings()
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class InspectCover:
    """The reply is Inspected; the page is requested by Draw."""

    job: ClassVar[str] = "inspect_cover"
    cover: CoverPage
    settings: PageSettings


@dataclass(frozen=True, slots=True)
class Convert:
    """Make a PDF of an office file, in the directory ``into``, unless it is there already."""

    job: ClassVar[str] = "convert"
    path: str
    identity: Identity
    into: str


@dataclass(frozen=True, slots=True)
class Encode:
    job: ClassVar[str] = "encode"
    path: str
    identity: Identity
    number: int
    place: int
    lengths: tuple[int, ...]
    """From Inspected."""
    facts: int
    """From Encoded."""
    mode: PageMode
    header: HeaderLine | None


@dataclass(frozen=True, slots=True)
class Draw:
    """Encode a page of a document that is not TIFF-F."""

    job: ClassVar[str] = "draw"
    path: str
    identity: Identity
    number: int
    resolution: Resolution
    """From Inspected."""
    mode: PageMode
    header: HeaderLine | None
    settings: PageSettings
    password: str | None = field(default=None, repr=False)
    store: str = ""
    """Directory in which drawn pages are kept and looked for; none if empty."""
    cover: CoverPage | None = None
    """Draw this page instead of one of the file."""


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
    """The replies are Grows, then Stored."""

    job: ClassVar[str] = "store"
    path: str
    page: bytes
    mode: PageMode
    only: FileId | None
    """The file to store into; None for any file at ``path``."""
    counted: PageQuality | None
    """The lines, if they were counted as they arrived."""
    last: LastPage | None
    """From Stored, for the page before this one."""
    since: int | None = None
    """From Grows, for an earlier attempt that did not complete."""


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


Request = (
    Prove
    | Inspect
    | InspectCover
    | Convert
    | Encode
    | Draw
    | CheckRoom
    | Create
    | Store
    | Finish
    | Complete
    | Discard
)

# --- from a worker ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """Reply to Prove, CheckRoom, Finish and Discard."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Reply to any request that failed; ``error`` is the name of the exception's class."""

    error: str
    message: str


PageFields = tuple[int, int, Resolution, int, tuple[int, ...]]
"""Width, rows, resolution, offset of the directory, and lengths of strips that the directory does not
contain. A bare tuple for speed: a document may have thousands, and they are read on the loop that sends
packets."""


@dataclass(frozen=True, slots=True)
class Inspected:
    identity: Identity
    pages: tuple[PageFields, ...]
    is_fax: bool = True
    """The document is TIFF-F: its pages are requested by Encode, those of others by Draw."""
    letters: tuple[float, ...] = ()
    """Size of the smallest letters of each page in points, as it is sent; 0 where it is unknown."""
    scales: tuple[float, ...] = ()
    """By which each page was made smaller to fit on the paper; 1 if it was not."""
    warnings: tuple[str, ...] = ()
    """Sentences about how the document was read."""
    is_office: bool = False
    """It has no pages yet: it needs Convert first."""


@dataclass(frozen=True, slots=True)
class Encoded:
    page: bytes
    facts: int = 0
    """Bits of ``Facts``: what is known of the page now."""
    simplified: str = ""
    rows: int = 0
    """As in CodedPage."""


@dataclass(frozen=True, slots=True)
class Created:
    growing: Growing


@dataclass(frozen=True, slots=True)
class Grows:
    """``since`` is the length of the file before the page is stored."""

    since: int


@dataclass(frozen=True, slots=True)
class Stored:
    quality: PageQuality
    last: LastPage


@dataclass(frozen=True, slots=True)
class Completed:
    path: str
    """The name that the file has now."""


Reply = Done | Refused | Inspected | Encoded | Created | Grows | Stored | Completed

Message = Request | Reply

CODEC: Codec[Message] = Codec(Message, max_frame=MAX_FRAME)
