"""A file with a route, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp.settings.file import Configuration, ConfigurationError

OFFICE = """
[routes.office]
peer = "trunk.example:5070"
user = "account"
password_file = "office.password"
"""


def write(folder: Path, text: str, *, mode: int = 0o644, password_file: str = "office.password") -> Path:
    """The file of routes, and the password file that they name."""
    (folder / password_file).write_text("secret\n")
    (folder / password_file).chmod(0o600)
    file = folder / "t38fsp.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def told(file: Path, name: str = "office", **given_: object) -> str:
    """The one sentence that says what is wrong with a route, without the name of the file."""
    with pytest.raises(ConfigurationError) as caught:
        Configuration.read(file).route(name, **given_)
    (sentence,) = caught.value.sentences
    return sentence.replace(str(file), "FILE")
