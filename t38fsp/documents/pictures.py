"""Pictures of every kind that people send: PNG, JPEG, WebP, GIF, BMP, TIFF, PBM and others, by Pillow.

TIFF and DCX have a page for each of their pictures. The frames of an animation are not pages: of GIF, WebP
and MPO only the first is sent.
"""

from __future__ import annotations

import math
import struct
import warnings
from contextlib import suppress
from io import BytesIO

from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from t38fsp.documents.sheet import LEAST_MM, MAX_PIXELS, MAX_SHEETS, MM_PER_INCH, MOST_MM, Sheet, Sheets
from t38fsp.image.errors import DocumentError

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "PCX", "DCX")
"""What is tried. Of the others some start programs (EPS), and most are not pictures for people."""
_PAGED = ("TIFF", "DCX")
"""Formats whose further pictures are pages."""

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_NOT_A_PAGE = 1 | 4
"""Bits of NewSubfileType: a thumbnail, or a mask, of another page."""
_OLD_THUMBNAIL = 2

_A4 = (210.0, 297.0)
_SCREEN = 96.0
"""Dots per inch taken for a picture whose file does not tell, if it fits on A4 then."""
_DEFAULTS = (72.0, 96.0)
"""Resolutions that cameras and programs write without knowing one; believed if the picture then fits on the
page."""
_LONGEST_PAPER = 360.0
_CREDIBLE = 30.0, 5000.0
_MOST_STRETCHED = 5.0
"""204 by 98 is 2.1."""

_SIDEWAYS = (5, 6, 7, 8)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,  # Pillow counts anticlockwise
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright that is stored with this orientation."""
_WHITE = "white"


class PictureSource:
    """An open picture file. Raises DocumentError."""

    warnings: tuple[str, ...] = ()

    def __init__(self, path: str) -> None:
        self._path = path
        Image.MAX_IMAGE_PIXELS = None  # the limit here has its own sentence
        try:
            # Pillow warns of damage that it can read past; if it cannot, it raises.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._image = Image.open(path, formats=_FORMATS)
        except UnidentifiedImageError as error:
            raise DocumentError(
                f"the document {path} is a picture that cannot be read: it is damaged, or of a rare kind; "
                "save it again, as PNG"
            ) from error
        try:
            self._frames = self._pages() if self._image.format in _PAGED else [0]
            self.sheets = Sheets(len(self._frames), self._sheet)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._image.close()

    def _pages(self) -> list[int]:
        """Which of the pictures are pages; their directories are read, and none of them decoded."""
        pages: list[int] = []
        # One more than allowed, so that too many are noticed without counting them all.
        for frame in range(MAX_SHEETS + 1):
            try:
                self._image.seek(frame)
            except EOFError:
                break
            if _is_page(self._image):
                pages.append(frame)
        else:
            raise DocumentError(
                f"the document {self._path} has more than {MAX_SHEETS} pictures; send it in parts"
            )
        if not pages:
            raise DocumentError(f"the document {self._path} has no pages; give one with at least one page")
        return pages

    def _at(self, index: int) -> Image.Image:
        # seek() drops what is decoded, even for the same picture.
        if self._image.tell() != self._frames[index]:
            self._image.seek(self._frames[index])
        return self._image

    def _sheet(self, index: int) -> Sheet:
        image = self._at(index)
        sideways = _orientation(image) in _SIDEWAYS
        # Pillow turns TIFF itself.
        width, height = image.size[::-1] if sideways and image.format not in _PAGED else image.size
        if width * height > MAX_PIXELS:
            raise DocumentError(
                f"page {index + 1} has {width} by {height} pixels; "
                f"save it with at most {MAX_PIXELS // 1_000_000} million"
            )
        dpi = _dpi(image)
        if dpi is not None and sideways:
            dpi = dpi[::-1]
        if dpi is None or not _is_believed(dpi, (width, height)):
            dpi, sized = _guessed(width, height), False
        else:
            sized = True
        across, down = (side / each * MM_PER_INCH for side, each in zip((width, height), dpi, strict=True))
        if not (LEAST_MM <= across <= MOST_MM and LEAST_MM <= down <= MOST_MM):
            raise DocumentError(
                f"page {index + 1} is {across:.1f} by {down:.1f} mm; give pages of a printable size"
            )
        return Sheet(across, down, (width, height), image.mode == "1", sized)

    def render(self, index: int, size: tuple[int, int]) -> Image.Image:
        """See :class:`t38fsp.documents.sheet.Source`."""
        sheet = self.sheets[index]
        image = self._at(index)
        if not sheet.bilevel:
            _decode_smaller(image, sheet, size)
        try:
            image.load()
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise DocumentError(
                f"page {index + 1} is damaged or cut short ({error}); save the document again"
            ) from error
        turn = None if image.format in _PAGED else _TURNS.get(_orientation(image))
        shown = image if turn is None else image.transpose(turn)
        if sheet.bilevel:
            return shown.copy()
        grey = _grey(shown)
        if grey.size == size:
            return grey
        smaller = grey.width >= size[0] and grey.height >= size[1]
        # Neither has overshoots, which would be grey lines beside each letter.
        kind = Image.Resampling.HAMMING if smaller else Image.Resampling.BILINEAR
        return grey.resize(size, kind, reducing_gap=3.0)


def _is_page(image: Image.Image) -> bool:
    tags = getattr(image, "tag_v2", {})
    kind = tags.get(_NEW_SUBFILE_TYPE, 0)
    return not (isinstance(kind, int) and kind & _NOT_A_PAGE) and tags.get(_SUBFILE_TYPE) != _OLD_THUMBNAIL


def _orientation(image: Image.Image) -> int:
    """The field Orientation of TIFF, or of the Exif data in front of the picture: to find it behind, Pillow
    would decode a PNG."""
    if image.format in _PAGED:
        found = getattr(image, "tag_v2", {}).get(ExifTags.Base.Orientation, 1)
    else:
        exif = Image.Exif()
        with suppress(ValueError, SyntaxError, OSError, struct.error):
            exif.load(image.info.get("exif", b""))
        found = exif.get(ExifTags.Base.Orientation, 1)
    return found if isinstance(found, int) else 1


def _decode_smaller(image: Image.Image, sheet: Sheet, size: tuple[int, int]) -> None:
    """Have a JPEG decoded at an eighth, a quarter or a half of its size if that is large enough, and without
    its colours."""
    if sheet.pixels != image.size:
        size = size[::-1]
    # Not to grey if there is a profile, which is for the colours.
    image.draft(None if image.info.get("icc_profile") else "L", size)


# --- size ---------------------------------------------------------------------------------------------------


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """What the file declares, for the picture as it is stored."""
    try:
        x, y = map(float, image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    least, most = _CREDIBLE
    if not (math.isfinite(x) and math.isfinite(y) and least <= x <= most and least <= y <= most):
        return None
    return (x, y) if 1 / _MOST_STRETCHED <= x / y <= _MOST_STRETCHED else None


def _is_believed(dpi: tuple[float, float], size: tuple[int, int]) -> bool:
    if all(round(each) not in _DEFAULTS for each in dpi):
        return True
    return all(side / each * MM_PER_INCH <= _LONGEST_PAPER for side, each in zip(size, dpi, strict=True))


def _guessed(width: int, height: int) -> tuple[float, float]:
    """Dots per inch of a picture that does not tell: as on a screen, or more, to fit on A4."""
    paper = _A4 if height >= width else _A4[::-1]
    dpi = max(
        _SCREEN, *(side / each * MM_PER_INCH for side, each in zip((width, height), paper, strict=True))
    )
    return dpi, dpi


# --- colours ------------------------------------------------------------------------------------------------


def _grey(image: Image.Image) -> Image.Image:
    """A picture of any mode in mode L, on white."""
    if image.mode.startswith(("I", "F")):
        return _of_deep(image)
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.new("RGBA", over.size, _WHITE)
        # On white, the paper of a fax: many logos are black on transparent.
        image.alpha_composite(over)
        image = image.convert("RGB")
    elif image.mode in ("RGB", "CMYK") and (profile := image.info.get("icc_profile")):
        managed = _managed(image, profile)
        if image.mode == "CMYK":
            return _with_black_ink(managed, _managed(Image.new("CMYK", (1, 1), (0, 0, 0, 255)), profile))
        image = managed
    # The first channel is the lightness.
    if image.mode == "LAB":
        return image.getchannel(0)
    if image.mode in ("L", "1"):
        return image.convert("L")
    return image.convert("RGB").convert("L")


def _of_deep(image: Image.Image) -> Image.Image:
    """A grey picture of samples of 16 or 32 bits or floating point, whose range is that of the format or, if
    the format does not tell, of the picture."""
    if image.mode != "F":
        image = image.convert("I")
    least, most = image.getextrema()
    assert isinstance(least, int | float)
    assert isinstance(most, int | float)
    if image.mode == "F":
        scale = 255 / most if most > 255 or 0 < most <= 1 else 1.0
        scale = 255.0 if 0 < most <= 1 else scale
    else:
        scale = 255 / (65535 if most <= 65535 else most)
    # For modes I and F Pillow takes only a function of this form, which it evaluates with a symbol.
    return image.point(lambda level: level * scale + 0).convert("L")


def _with_black_ink(image: Image.Image, ink: Image.Image) -> Image.Image:
    """In mode L, with black where black ink alone is: to a profile that is a dark grey, which would be
    screened."""
    darkest = ink.convert("L").getpixel((0, 0))
    assert isinstance(darkest, int)
    scale = 255 / max(255 - darkest, 1)
    return image.convert("L").point([max(0, round((level - darkest) * scale)) for level in range(256)])


def _managed(image: Image.Image, profile: bytes) -> Image.Image:
    """In the colours of the screen; unchanged if the profile cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        screen = ImageCms.createProfile("sRGB")
        managed = ImageCms.profileToProfile(image, source, screen, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if managed is None else managed
