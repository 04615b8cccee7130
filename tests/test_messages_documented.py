"""docs/messages.md is what the source has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from textwrap import dedent

from tests.messages_page import PAGE, ROOT, messages_of, page

_CHOOSE_A_BACKEND = ("sip/pjsua/", "t38fsp/settings/route.py")
"""The backend itself, and the setting that selects it."""


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.messages_page"


def test_the_readme_names_messages_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## When it fails")
    cells = re.findall(r"^\| (?!It says|-)(.+?) \|", section.partition("\n## ")[0], re.M)
    assert len(cells) > 15
    # Outside parentheses and between dots for values: what a message has word by word.
    parts = [part.strip(" ;:,.") for cell in cells for part in re.split(r"…|\(.*?\)|; |, ", cell)]
    messages = PAGE.read_text(encoding="utf-8")
    assert [part for part in parts if len(part) > 12 and part not in messages] == []


def test_what_counts_as_a_message() -> None:
    source = '''
        """A docstring of some words."""

        LIMIT = 3
        """No message, though it has words."""

        TEXTS = {1: "the line is busy", 2: "busy"}

        def act(name: str, wait: Wait) -> None:
            """No message, either, I say."""
            if not name:
                raise SettingError(f"the name of {wait.kind} is " "empty; give one")
            logger.warning("%s has no name", name)
            option(help="This text is in the help.")
            print(f"{name} waits for {wait()} and {wait.of(3) + 1}")
    '''
    assert messages_of(ast.parse(dedent(source))) == {
        "Raised as SettingError": ["the name of {kind} is empty; give one"],
        "Log": ["%s has no name"],
        "Texts": ["the line is busy", "{name} waits for {wait} and {…}"],
    }


def of_the_library() -> Iterator[tuple[str, str]]:
    """Every message outside the command line, with the file that has it, as the page has them."""
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        name, *lines = section.splitlines()
        if not name.startswith("t38fsp/cli/"):
            yield from ((name, line.removeprefix("* ")) for line in lines if line.startswith("* "))


def test_the_library_names_no_option_of_a_command() -> None:
    messages = list(of_the_library())
    assert len(messages) > 500
    assert [each for each in messages if re.search(r"(?<![\w-])--[a-z{]", each[1])] == []


def test_only_the_choice_of_a_backend_names_it() -> None:
    naming = [each for each in of_the_library() if "pjsua" in each[1].lower()]
    assert [each for each in naming if not each[0].startswith(_CHOOSE_A_BACKEND)] == []
    assert "t38fsp/settings/route.py" in {name for name, _ in naming}
