r"""RTF for an office program: refused if it refers to other files, and written again.

RTF is groups in braces, control words as ``\b0``, and text. It is read as such and written again in one form,
so that there is no second way to read it. Of a field only the number of the page and of pages is left to the
office program; of any other its last result is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from t38fsp.documents.office_xml import METAFILES, RASTERS, is_harmless_field
from t38fsp.image.errors import DocumentError

MAX_RTF_OCTETS = 64 << 20
MAX_DEPTH = 200
"""Groups within each other."""

_TOKEN = re.compile(
    rb"(?P<open>\{)|(?P<close>\})|\\'(?P<hex>[0-9A-Fa-f]{2})"
    rb"|\\(?P<word>[A-Za-z]{1,40})(?P<number>-?\d{1,11})? ?|\\(?P<symbol>[^A-Za-z'])"
    rb"|(?P<newline>[\r\n]+)|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_LOADING_WORDS = frozenset(
    b"objlink objautlink objsub objpub objicemb objocx objhtml linkself nextfile subdocument bin".split()
)
"""Control words that name other files or programs, or hide what follows."""
_DROPPED = frozenset(
    b"objdata objclass objname template themedata colorschememapping datastore info generator xmlnstbl "
    b"filetbl mailmerge userprops docvar datafield private fontemb fontfile hl".split()
)
"""Destinations that are left out: embedded objects (of which a picture is shown), and what is not shown."""
_PICTURE_NAMES = frozenset({"pibname", "fillblipname", "linefillblipname"})
"""Properties of shapes whose value is the name of a file."""
_LOADING_FIELDS = re.compile(
    r"\s*(INCLUDE|INCLUDETEXT|INCLUDEPICTURE|IMPORT|LINK|DDE|DDEAUTO|DATABASE|RD|EMBED)\b", re.IGNORECASE
)
_ADDRESS = re.compile(r"file\s*:|://|\\\\", re.IGNORECASE)
_PICTURE = b"pict"
_JUDGED = frozenset({b"fldinst", b"sn", b"sv", _PICTURE})
_REFERS_TO = "it refers to another file or address; save it as PDF from the program that shows it"


_PICTURES = (*RASTERS, *METAFILES, b"\x28\x00\x00\x00")
"""How pictures begin, the last one a bitmap without a header of its own."""


def clean_rtf(data: bytes) -> bytes:
    """The document without what loads something. Raises DocumentError if it refers to another file."""
    if len(data) > MAX_RTF_OCTETS:
        raise DocumentError(f"it has more than {MAX_RTF_OCTETS >> 20} MiB; save it as PDF")
    writer = _Writer()
    for match in _TOKEN.finditer(data):
        if match["open"]:
            writer.open()
        elif match["close"]:
            writer.close()
            # Word processors ignore what follows the outermost group.
            if not writer.is_within:
                break
        elif match["word"]:
            writer.word(match["word"], match["number"] or b"")
        elif match["hex"]:
            writer.text(b"\\'" + match["hex"], bytes.fromhex(match["hex"].decode("ascii")))
        elif match["symbol"]:
            writer.symbol(match["symbol"])
        elif match["text"]:
            writer.text(match["text"], match["text"])
    while writer.is_within:
        writer.close()
    return b"".join(writer.pieces)


@dataclass(slots=True)
class _Group:
    begins: int
    """Where it is in what was written."""
    dropped: bool
    destination: bytes = b""
    said: list[bytes] | None = None
    """Its text, if it is judged when the group is over."""


class _Writer:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._groups: list[_Group] = []

    @property
    def is_within(self) -> bool:
        return bool(self._groups)

    def open(self) -> None:
        if len(self._groups) >= MAX_DEPTH:
            raise DocumentError(f"it has more than {MAX_DEPTH} groups within each other; save it again")
        above = self._groups[-1] if self._groups else None
        # What is in the instruction of a field or the name of a property is a part of it.
        said = above.said if above is not None and above.destination != _PICTURE else None
        dropped = above is not None and above.dropped
        self._groups.append(
            _Group(len(self.pieces), dropped, above.destination if said is not None and above else b"", said)
        )
        self.pieces.append(b"{")

    def close(self) -> None:
        if not self._groups:
            return
        group = self._groups.pop()
        self.pieces.append(b"}")
        above = self._groups[-1] if self._groups else None
        if group.dropped:
            del self.pieces[group.begins :]
        elif group.said is not None and (above is None or above.said is not group.said):
            self._judge(group)

    def word(self, word: bytes, number: bytes) -> None:
        if not self._groups:
            return
        lower, group = word.lower(), self._groups[-1]
        if lower in _LOADING_WORDS and not group.dropped:
            raise DocumentError(_REFERS_TO)
        if lower in _DROPPED:
            group.dropped = True
        elif lower in _JUDGED and group.said is None:
            group.destination, group.said = lower, []
        # A code unit of UTF-16 as a signed number; the text after it, for readers without Unicode, is not
        # looked at separately.
        elif lower == b"u" and group.said is not None and number:
            group.said.append(chr(int(number) % 0x10000).encode("utf-8", "replace"))
        self.pieces.append(b"\\" + word + number + b" ")

    def symbol(self, symbol: bytes) -> None:
        # A backslash at the end of a line is a paragraph.
        if symbol in b"\r\n":
            self.pieces.append(b"\\par ")
            return
        self.text(b"\\" + symbol, symbol)

    def text(self, written: bytes, said: bytes) -> None:
        if not self._groups:
            return
        # Readers differ in what they do at a NUL, so none is left.
        self.pieces.append(written.replace(b"\x00", b""))
        group = self._groups[-1]
        if group.said is not None and not group.dropped:
            group.said.append(said)

    def _judge(self, group: _Group) -> None:
        assert group.said is not None
        said = b"".join(group.said)
        text = said.decode("latin-1").strip()
        match group.destination:
            case b"fldinst":
                if _LOADING_FIELDS.match(text):
                    raise DocumentError(_REFERS_TO)
                # The instruction goes. The last result of the field is a group of its own, and stays.
                del self.pieces[group.begins :]
                if is_harmless_field(text):
                    self.pieces.append(
                        b"{\\*\\fldinst " + text.replace("\\", "\\\\").encode("latin-1") + b"}"
                    )
            case b"sn":
                if text.lower() in _PICTURE_NAMES:
                    raise DocumentError(_REFERS_TO)
            case b"sv":
                if _ADDRESS.search(text):
                    del self.pieces[group.begins :]
            case _:  # a picture, in hexadecimal digits
                # Its first octets decide what it is; a picture may have megabytes.
                digits = re.sub(rb"\s", b"", said[:64])
                try:
                    begins = bytes.fromhex(digits[: len(digits) // 2 * 2][:32].decode("ascii"))
                except ValueError:
                    begins = b""
                if digits and not begins.startswith(_PICTURES):
                    raise DocumentError("it has a picture of an unknown kind; save it as PDF")
