"""Choices that a user makes by name."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

PREFIX = "T38FSP_"
"""Prefix of the environment variables that give settings, in letters of either case."""


class Switch(Enum):
    """Which side asks for T.38 (the re-INVITE). With any of them we ask once V.21 is heard in the audio."""

    CALLEE = "callee"
    """Audio first; the called side switches."""
    CALLER = "caller"
    """Audio first; we switch as soon as the call is answered."""
    EITHER = "either"
    """Audio first; we switch if the far end has not after ``switch_wait``."""
    FIRST = "first"
    """T.38 in the first INVITE."""


class Audio(Enum):
    """Whether a fax may go in audio (T.30 over G.711), for which libspandsp has to be installed."""

    NEVER = "never"
    """T.38 alone."""
    FALLBACK = "fallback"
    """In a call that stays in audio, if the library is found."""
    ONLY = "only"
    """From the answer on; T.38 is neither offered nor accepted."""


class Backend(Enum):
    """Which SIP stack serves a call."""

    OWN = "own"
    PJSUA2 = "pjsua2"
    """PJSIP in worker processes (the extra ``pjsua2``); what it cannot do is listed in docs/pjsua2.md."""


class FileFormat(Enum):
    """What a received fax is stored as."""

    TIFF = "tiff"
    """TIFF Class F."""
    PDF = "pdf"
    BOTH = "both"


class LogNumbers(Enum):
    """How the numbers of a call are written to the log."""

    FULL = "full"
    MASKED = "masked"
    """The last three digits of each, the others as asterisks."""


class Quality(Enum):
    """How the tones of a page become black and white."""

    FAST = "fast"
    """Text and line art as black and white, pictures by a screen that is quick to send."""
    BALANCED = "balanced"
    """Text and line art as black and white, pictures by a screen of dots."""
    PHOTO = "photo"
    """Text and line art as black and white, pictures by error diffusion: slow to send."""
    THRESHOLD = "threshold"
    """Black or white by one level, for all that is on the page."""


class PageResolution(Enum):
    """Resolution of the pages made of a document, lines per inch."""

    AUTO = "auto"
    """By what is on the page."""
    STANDARD = "standard"
    """204 x 98."""
    FINE = "fine"
    """204 x 196."""
    SUPERFINE = "superfine"
    """204 x 391."""


class PaperSize(Enum):
    """The paper that the pages of a document are made for."""

    AUTO = "auto"
    """That of the document, up to A3."""
    A4 = "a4"
    LETTER = "letter"
    LEGAL = "legal"
    B4 = "b4"
    A3 = "a3"


class Fit(Enum):
    """What becomes of a sheet that is larger than the paper."""

    FIT = "fit"
    """It is made smaller."""
    TRUE_SIZE = "true-size"
    """It is refused, so that all that is sent has its true size."""


class Landscape(Enum):
    """What becomes of a sheet that is wider than high."""

    AUTO = "auto"
    """Turned if it is wider than the paper."""
    TURN = "turn"
    KEEP = "keep"


class OverTime(Enum):
    """What becomes of a page that takes longer on the line than it may."""

    WARN = "warn"
    SIMPLIFY = "simplify"
    REFUSE = "refuse"


def common_backend(asked: Iterable[Backend | None]) -> Backend | None:
    """The stack that all routes ask for, which then takes the calls, too; None if they differ."""
    stacks = set(asked)
    return stacks.pop() if len(stacks) == 1 else None
