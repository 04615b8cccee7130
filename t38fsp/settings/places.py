"""Where settings are looked for beside the command line: the file, and variables of the environment."""

from __future__ import annotations

import os
from pathlib import Path

from t38fsp.choices import PREFIX

FILE_VARIABLE = f"{PREFIX}CONFIG"


def usual_places() -> list[Path]:
    """Where the file is looked for; only one place when the environment names it."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return [Path(named)]
    # Unlike Path.expanduser, this raises nothing for a user who has no home.
    home = os.path.expanduser(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    return [Path("t38fsp.toml"), Path(home) / "t38fsp" / "config.toml", Path("/etc/t38fsp.toml")]


def found() -> Path | None:
    """The first file that there is, or the one that the environment names, whether it is there or not."""
    for place in usual_places():
        # os.path.exists, unlike Path.exists, takes a folder that we may not look into for one without it.
        if os.path.exists(place) or os.environ.get(FILE_VARIABLE):
            return place
    return None


def nothing_is_set() -> bool:
    """There is neither a file nor a variable, so that only the defaults are left."""
    return found() is None and not any(name.upper().startswith(PREFIX) for name in os.environ)
