"""The documents of one fax as one row of pages."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from t38fsp.image.errors import DocumentError
from t38fsp.image.pool import Document, ImagePool
from t38fsp.image.values import MAX_PAGES
from t38fsp.page_settings import PageSettings
from t38fsp.t30.vocabulary import PageFormat


class Fax:
    """The ``documents``, one after the other; ``store`` is where their drawn pages are kept, if anywhere.

    Raises DocumentError for too many pages.
    """

    def __init__(self, documents: Sequence[Document], store: str = "") -> None:
        self.documents = tuple(documents)
        self.store = store
        self._ends = list(accumulate(len(document.pages) for document in self.documents))
        if self._ends[-1] > MAX_PAGES:
            raise DocumentError(
                f"the documents have {self._ends[-1]} pages together; send at most {MAX_PAGES} at a time"
            )

    @cached_property
    def pages(self) -> tuple[PageFormat, ...]:
        if len(self.documents) == 1:
            return self.documents[0].pages
        return tuple(page for document in self.documents for page in document.pages)

    def place(self, index: int) -> tuple[Document, int]:
        """The document that has page ``index`` (from 0) of the fax, and the index of the page there."""
        at = bisect_right(self._ends, index)
        return self.documents[at], index - (self._ends[at - 1] if at else 0)

    def named(self, index: int, error: Exception) -> str:
        """What is wrong with a page, with the name of its document if there are several: errors count the
        pages of one document."""
        return str(error) if len(self.documents) == 1 else f"{self.place(index)[0].path}: {error}"


async def inspect_all(
    images: ImagePool, paths: Sequence[str], settings: PageSettings, password: str | None, store: str = ""
) -> Fax:
    """Inspect the documents of a fax. Raises DocumentError, ImageWorkerError."""
    documents = []
    for path in paths:
        try:
            documents.append(await images.inspect(path, settings, password, store))
        except DocumentError as error:
            # The message names a page only by its number in this document.
            if len(paths) == 1 or path in str(error):
                raise
            raise type(error)(f"{path}: {error}") from error
    return Fax(documents, store)
