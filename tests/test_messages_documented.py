"""docs/messages.md is what the source has."""

from __future__ import annotations

import ast
from textwrap import dedent

from tests.messages_page import PAGE, messages_of, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.messages_page"


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
