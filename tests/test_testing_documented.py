"""The examples of docs/testing.md run."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from tests.call.harness import Scene, lossy, make_pages
from tests.sip import link as sip_link
from tests.sip.solo import Solo
from tests.t30 import alone as t30_alone
from tests.t30 import link as t30_link
from tests.t30.calls import FINE, coded

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES = {
    name.replace("**", ""): textwrap.dedent(code)
    for name, code in re.findall(r"^(\*\*\w+\*\*[\w. ]*) \(`(?:.+\n)+\n((?:    .+\n)+)", PAGE, re.MULTILINE)
}
OPTIONS = {"TransmitOptions": TransmitOptions, "ReceiveOptions": ReceiveOptions}
KNOWN = {
    "Alone": vars(t30_alone),
    "Link of T.30": {**vars(t30_link), "FINE": FINE, "coded": coded, **OPTIONS},
    "Solo": {"Solo": Solo},
    "Link of SIP": vars(sip_link),
    "Scene": {"Scene": Scene, "lossy": lossy, "make_pages": make_pages},
}


@pytest.mark.parametrize("name", KNOWN)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    exec(EXAMPLES[name], dict(KNOWN[name]) | {"tmp_path": tmp_path})


def test_each_example_is_run() -> None:
    assert EXAMPLES.keys() == KNOWN.keys()
