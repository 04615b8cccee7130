"""XML parts of office files, written again without what makes an office program read another file.

One set of rules for all of them, Office Open XML, OpenDocument and SVG, because a program finds the kind of a
part by its content and not by its name. Names count without their prefixes, which a file chooses. What is
written is what was parsed: there are no entities, no document type and no processing instructions left that
another parser could read in another way.

Cut are references to anything that is not a part of the same file, linked sections and tables, DDE, scripts,
events, databases, embedded programs, and the instructions of fields and formulas that load something: their
last result stays and is shown.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Callable, Container, Iterable
from urllib.parse import unquote
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from t38fsp.image.errors import DocumentError

MAX_DEPTH = 500
"""Elements within each other; programs write fewer than 100."""
_READ = 1 << 16

RASTERS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"RIFF")
"""How files of pixels begin, which refer to nothing."""

METAFILES = (b"\x01\x00\x00\x00", b"\xd7\xcd\xc6\x9a", b"\x01\x00\x09\x00")
"""EMF, and WMF with and without a header that places it."""

_REFERENCES = frozenset({"href", "src", "url", "althref", "image-data"})
"""Attributes that name a file or address."""
_FORMULAS = re.compile(r"(formula\d*|condition|expression)$", re.IGNORECASE)
_INSTRUCTIONS = frozenset({"instrtext", "delinstrtext"})
_FORMULA_TEXTS = frozenset({"f", "definedname", "formula", "formula1", "formula2", "oldformula"})
"""Elements of spreadsheets whose text is a formula, beside those whose names end in ``formula``."""
_DROPPED = frozenset(
    {
        # OpenDocument
        "section-source",
        "table-source",
        "cell-range-source",
        "plugin",
        "applet",
        "floating-frame",
        "object-ole",
        "scripts",
        "script",
        "event-listeners",
        "event-listener",
        "alphabetical-index-auto-mark-file",
        "connection-resource",
        "database-source-sql",
        "database-source-table",
        "database-source-query",
        "auto-reload",
        # Office Open XML
        "webpr",
        "dbpr",
        "subdoc",
        "mailmerge",
        "attachedtemplate",
        # SVG
        "foreignobject",
    }
)
_ELSEWHERE = re.compile(r"(file|smb|vnd\.sun\.[\w.]{1,40}|macro)\s{0,9}:|\\\\\w", re.IGNORECASE)
"""In any attribute; others may contain addresses that are only names, as namespaces do."""
_LOADING = re.compile(
    r"\b(INDIRECT|WEBSERVICE|FILTERXML|DDE|RTD|CALL|REGISTER(\.ID)?|EXEC)\s*\("
    r"|://|\\\\|file\s*:|'#|#\$|\[\d+\]|\.(xl\w{1,2}|ods|csv|html?)\]|\w'?\|'?[^{}]*!",
    re.IGNORECASE,
)
"""In a formula: functions that load, or make a reference of a text, and references to other files."""
_MAX_FORMULA = 1 << 14
"""Characters; Excel allows 8192. Longer ones are left out: the search can take the square of their length."""
_MAX_FIELD = 200
_HARMLESS_FIELD = re.compile(
    r"((PAGE|NUMPAGES|SECTIONPAGES|SECTION|FORMTEXT|FORMCHECKBOX|FORMDROPDOWN)\b|\\\*\s*\w+|\s)*",
    re.IGNORECASE,
)
"""Instructions whose result is of this document and of this moment. A field may be split into several of
these, so none of them may be the beginning of another word."""
_STYLE_LOADS = re.compile(r"url\s*\(\s*(?!['\"]?#)|@import|\\", re.IGNORECASE)
_RELATIONS = frozenset(
    {
        "oleobject",
        "package",
        "control",
        "activexcontrolbinary",
        "vbaproject",
        "wordvbadata",
        "attachedtemplate",
        "externallink",
        "externallinkpath",
        "connections",
        "querytable",
        "frame",
        "subdocument",
        "mailmergesource",
        "mailmergeheadersource",
        "recipientdata",
        "extensibility",
    }
)
"""Kinds of relationships that are cut although their target is within the file."""


def local(name: str) -> str:
    return name.rpartition(":")[2].lower()


class Part:
    """Writes one XML part again.

    ``name`` is that of the part, ``parts`` has the names of all that the file will contain. Raises
    DocumentError when it is not XML, or has what no office program writes.
    """

    def __init__(self, name: str, parts: Container[str], write: Callable[[bytes], object]) -> None:
        self._name = name
        self._parts = parts
        self._write = write
        self._pieces: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>\n']
        self._depth = 0
        self._dropped_at: int | None = None
        self._text: list[str] | None = None
        """Text of an element that is judged as a whole, and its beginning."""
        self._held = ""
        self._is_svg = False
        parser = expat.ParserCreate()
        # A list, in their order and with any repetition, rather than a dictionary.
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        self._parser = parser

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Parse the whole part, and write it as it is parsed."""
        try:
            for chunk in chunks:
                for first in range(0, len(chunk), _READ):
                    self._parser.Parse(chunk[first : first + _READ], False)
                    self._flush()
            self._parser.Parse(b"", True)
        except DocumentError:
            raise
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise DocumentError(f"its part {self._name} is damaged ({error}); save it again") from error
        self._flush()

    def _flush(self) -> None:
        self._write("".join(self._pieces).encode("utf-8", "replace"))
        self._pieces.clear()

    def _entity(self, *_: object) -> None:
        raise DocumentError(
            f"its part {self._name} declares entities, as no office program does; save it again"
        )

    def _start(self, name: str, attributes: list[str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DocumentError(f"its part {self._name} has more than {MAX_DEPTH} levels; save it again")
        if self._dropped_at is not None:
            return
        kind = local(name)
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True))
        self._is_svg = self._is_svg or kind == "svg"
        if self._text is not None or self._is_dropped(kind, pairs):
            self._dropped_at = self._depth
            return
        kept = "".join(f" {key}={quoteattr(value)}" for key, value in pairs if self._keeps(kind, key, value))
        if self._is_judged(kind):
            self._held, self._text = f"<{name}{kept}>", []
        else:
            self._pieces.append(f"<{name}{kept}>")

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._dropped_at is not None:
            if self._depth < self._dropped_at:
                self._dropped_at = None
            return
        if self._text is not None:
            text, self._text = "".join(self._text), None
            if _loads(local(name), text):
                return  # a formula without text would be a wrong one, and its last result be lost
            # A carriage return that was written as a reference would become a line feed when the part is
            # read again (XML 2.11).
            self._pieces += self._held, escape(text, {"\r": "&#13;"})
        self._pieces.append(f"</{name}>")

    def _characters(self, text: str) -> None:
        if self._dropped_at is not None:
            return
        if self._text is not None:
            self._text.append(text)
        else:
            self._pieces.append(escape(text, {"\r": "&#13;"}))

    def _is_dropped(self, kind: str, pairs: list[tuple[str, str]]) -> bool:
        if kind == "file-entry":  # of the manifest of OpenDocument
            path = next((value for key, value in pairs if local(key) == "full-path"), "")
            return not path.endswith("/") and path not in self._parts
        if kind != "relationship":
            return kind in _DROPPED or "dde-" in kind or kind.startswith("dde")
        values = {local(key): value for key, value in pairs}
        relation = values.get("type", "").rstrip("/").rpartition("/")[2].lower()
        # altChunk: a whole HTML or RTF file, which Word would import, and which was not checked.
        if relation == "afchunk":
            raise DocumentError("it contains a document of another format; open it and save it as PDF")
        mode = values.get("targetmode", "Internal")
        return relation in _RELATIONS or mode != "Internal" or _leaves_package(values.get("target", ""))

    def _keeps(self, kind: str, key: str, value: str) -> bool:
        name = local(key)
        # Addresses, but only as names.
        if key == "xmlns" or key.startswith("xmlns:") or kind == "relationship":
            return True
        # It would change where every relative reference leads.
        if key == "xml:base":
            return False
        if name in _REFERENCES:
            return self._is_within(value)
        if name == "instr":
            return is_harmless_field(value)
        if _FORMULAS.search(name) and _loads(name, value):
            return False
        if (name == "style" or "url" in value.lower()) and _STYLE_LOADS.search(value):
            return False
        return not _ELSEWHERE.search(value)

    def _is_judged(self, kind: str) -> bool:
        is_formula = kind in _FORMULA_TEXTS or kind.endswith("formula")
        return is_formula or kind in _INSTRUCTIONS or (kind == "style" and self._is_svg)

    def _is_within(self, value: str) -> bool:
        """Whether a reference is to a place in this part, to a part of the file, or contains its picture."""
        if value == "" or value.startswith("#"):
            return True
        if value.startswith("data:"):
            return is_raster_address(value)
        path = unquote(value).removeprefix("./").rstrip("/")
        if _leaves_package(path) or ".." in path.split("/"):
            return False
        beside = posixpath.join(posixpath.dirname(self._name), path)
        return path in self._parts or beside in self._parts or f"{path}/content.xml" in self._parts


def _loads(kind: str, text: str) -> bool:
    if kind in _INSTRUCTIONS:
        return not is_harmless_field(text)
    if kind == "style":
        return _STYLE_LOADS.search(text) is not None
    return len(text) > _MAX_FORMULA or _LOADING.search(text) is not None


def is_harmless_field(instruction: str) -> bool:
    """Whether an instruction, or a part of one, only counts pages or makes a form."""
    return len(instruction) <= _MAX_FIELD and _HARMLESS_FIELD.fullmatch(instruction) is not None


def _leaves_package(target: str) -> bool:
    target = unquote(target).strip()
    return ":" in target or "\\" in target or target.startswith("//")


def is_raster_address(address: str) -> bool:
    """Whether a ``data:`` address is one of pixels, by its content."""
    head, _, data = address.partition(",")
    if not head.endswith(";base64"):
        return False
    try:
        start = base64.b64decode("".join(data[:200].split())[:64], validate=True)
    except (binascii.Error, ValueError):
        return False
    return start.startswith(RASTERS)
