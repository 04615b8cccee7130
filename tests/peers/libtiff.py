"""The libtiff tools, and a pixel comparison through Pillow that shares nothing with the product."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageChops

from tests.peers.programs import run


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(name, *arguments, package="libtiff-tools")


def tiffinfo(path: Path) -> str:
    """What ``tiffinfo`` prints; raises AssertionError when it warns or fails."""
    result = _run("tiffinfo", str(path))
    assert result.returncode == 0, result.stderr
    assert not result.stderr, result.stderr
    return result.stdout


def tiffcmp(a: Path, b: Path) -> str:
    """The differences of tags and pixels that ``tiffcmp`` prints; empty when there are none."""
    result = _run("tiffcmp", "-t", str(a), str(b))
    return result.stdout + result.stderr


def tiffcp(source: Path, target: Path, *options: str) -> Path:
    """Copy with ``tiffcp``, such as ``-c g3:2d`` or ``-B``; raises AssertionError when it fails."""
    result = _run("tiffcp", *options, str(source), str(target))
    assert result.returncode == 0, result.stderr
    return target


def pages(path: Path) -> Iterator[Image.Image]:
    """Every page as a mode "1" image with black as 0, whatever the file's polarity."""
    with Image.open(path) as document:
        for index in range(getattr(document, "n_frames", 1)):
            document.seek(index)
            page = document.copy()
            assert page.mode == "1", f"page {index} of {path.name} has mode {page.mode}"
            yield page


def assert_same_pages(a: Path, b: Path) -> int:
    """Assert that two documents have the same pages, pixel by pixel; return how many."""
    left, right = list(pages(a)), list(pages(b))
    assert len(left) == len(right), f"{a.name} has {len(left)} pages, {b.name} has {len(right)}"
    for index, (one, other) in enumerate(zip(left, right, strict=True)):
        assert one.size == other.size, f"page {index}: {one.size} against {other.size} pixels"
        difference = ImageChops.logical_xor(one, other).getbbox()
        assert difference is None, f"page {index} differs within {difference}"
    return len(left)


def tiffset(path: Path, tag: int, *values: object) -> None:
    """Set a tag of the first page; raises AssertionError when it fails."""
    result = _run("tiffset", "-s", str(tag), *map(str, values), str(path))
    assert result.returncode == 0, result.stderr
