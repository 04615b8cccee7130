"""Errors of pages and documents.

Every message is one sentence: what is wrong and, where possible, what to do.
"""

from __future__ import annotations

import os

from t38fsp.errors import FaxError


class ImageError(FaxError):
    """Any failure of this package (see ``t38fsp.errors``)."""


class DocumentError(ImageError, ValueError):
    """The document cannot be sent as it is."""


class NotFaxError(DocumentError):
    """A TIFF file of another kind than Class F; it may be sent as a picture."""


class EncryptedError(DocumentError):
    """The document is encrypted, and its password is missing or wrong."""


class DocumentChangedError(DocumentError):
    """The document is another one than it was when the fax began; as it is now it may be sent."""


class StoreError(ImageError):
    """A received page could not be stored."""


class ImageWorkerError(ImageError):
    """The process that worked on a page ended or exceeded its time limit; other jobs are not affected."""


def unreadable(what: str, path: str | os.PathLike[str], error: OSError) -> DocumentError:
    """``what`` is the document, or a file that belongs to it."""
    reason = (error.strerror or "it cannot be opened").lower()
    return DocumentError(f"the {what} {os.fspath(path)} cannot be read: {reason}; check its name")


def changed(path: str | os.PathLike[str]) -> DocumentChangedError:
    return DocumentChangedError(
        f"the document {os.fspath(path)} was changed after it was inspected; "
        "send it again, and do not change it until it is sent"
    )
