"""Sources of settings besides the command line: the configuration file and environment variables."""

from __future__ import annotations

import os
from pathlib import Path

from t38fsp.choices import PREFIX

FILE_VARIABLE = f"{PREFIX}CONFIG"


def usual_places() -> list[Path]:
    """Paths at which the file is searched for; only one if the environment names it."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return [Path(named)]
    # Unlike Path.expanduser, this does not raise for a user without a home directory.
    home = os.path.expanduser(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    return [Path("t38fsp.toml"), Path(home) / "t38fsp" / "config.toml", Path("/etc/t38fsp.toml")]


def found() -> Path | None:
    """The first file that exists, or the one that the environment names, whether or not it exists."""
    for place in usual_places():
        # os.path.exists returns False for a folder that we may not search, where Path.exists raises.
        if os.path.exists(place) or os.environ.get(FILE_VARIABLE):
            return place
    return None


def nothing_is_set() -> bool:
    """True if there is neither a file nor a variable, so that only the defaults apply."""
    return found() is None and not any(name.upper().startswith(PREFIX) for name in os.environ)
