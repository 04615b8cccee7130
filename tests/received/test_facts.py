"""Names, variables and document information, of facts that a stranger has chosen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.errors import SettingError
from t38fsp.inbox_settings import NAME_FIELDS, InboxSettings
from t38fsp.received.facts import environment, file_name, information, of_result
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus
from tests.sweep import examples

COMPLETE = {
    "completed": True,
    "began": "2026-12-01T09:30:15+01:00",
    "job": 7,
    "caller": "sip:+15550199@trunk.example;user=phone",
    "called": "sip:fax@192.0.2.1:5060",
    "remote_id": "+49 711 55",
    "sub_address": "12#34",
}
ALL = "_".join(f"{{{name}}}" for name in NAME_FIELDS)


def test_a_name_with_every_field() -> None:
    assert file_name(ALL, COMPLETE) == "20261201_093015_+15550199_fax_+49_711_55_12_34_0007"


def test_the_default_name() -> None:
    assert file_name(InboxSettings().name, COMPLETE) == "fax-20261201-093015-0007"


def test_a_partial_fax_is_marked() -> None:
    assert file_name("{job}", COMPLETE | {"completed": False}) == "0007-partial"


def test_what_is_not_known() -> None:
    assert file_name("{csi}-{subaddress}-{date}-{caller}", {"completed": True}) == "none-none-none-none"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("../../etc/passwd", "_etc_passwd"),
        ("a/b\\c:d", "a_b_c_d"),
        ("a\0b\nc\x1b[31m", "a_b_c_31m"),
        (".hidden", "hidden"),
        ("-rf *", "rf"),
        ("..", "none"),
        ("\u202efdp.exe", "fdp.exe"),
        ("Jürgen 漢字", "Jürgen_漢字"),
        ("हिन्दी", "हिन्दी"),
        ("x" * 5000, "x" * 60),
        ("{job}{caller.__class__}", "job_caller.__class"),
        ("$(reboot)`ls`;&|<>\"'", "reboot_ls"),
        ("\ud800", "none"),
    ],
)
def test_a_field_of_a_stranger(value: str, name: str) -> None:
    assert file_name("{csi}", COMPLETE | {"remote_id": value}).strip("_") == name.strip("_")


anything = st.text(st.characters(codec=None), max_size=200) | st.text("./\\-\0 {}é漢", max_size=300)


@examples(push=30, full=2000)
@given(
    values=st.fixed_dictionaries(dict.fromkeys(("caller", "called", "remote_id", "sub_address"), anything)),
    completed=st.booleans(),
    template=st.lists(
        st.sampled_from([*(f"{{{name}}}" for name in NAME_FIELDS), ".", "-", "é", " "]), min_size=1
    ),
)
def test_every_name_is_the_name_of_a_new_file_in_the_folder(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], completed: bool, template: list[str]
) -> None:
    facts = COMPLETE | values | {"completed": completed}
    name = file_name("".join(template), facts)
    assert name.endswith("-partial") is not completed or completed
    assert name.isprintable()
    assert not name.startswith((".", "-"))
    assert len(f"{name}-1000.sidecar.part".encode()) < 255
    folder = Path(os.path.realpath("/faxes"))
    assert (folder / f"{name}.tif").parent == folder
    for text in [*environment(facts).values(), *information(facts).values()]:
        assert len(text) <= 5000
    for text in environment(facts).values():
        assert text.isprintable()
        os.fsencode(text)


def test_a_name_can_be_made_on_disk(tmp_path: Path) -> None:
    name = file_name(ALL, COMPLETE | {"remote_id": "漢" * 300, "caller": "é" * 300, "sub_address": "x" * 300})
    (tmp_path / f"{name}-100.tif").touch()
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"began": 5, "caller": [1], "called": {"a": 1}, "job": None, "completed": "yes"},
        {"caller": "sip:", "called": "tel:+1", "began": "never"},
    ],
)
def test_a_record_that_somebody_has_changed(facts: dict[str, object]) -> None:
    assert file_name(ALL, facts).endswith("-partial")
    assert environment(facts)["FAX_COMPLETE"] == "0"
    assert information(facts)["Title"]


def test_the_facts_of_a_result() -> None:
    result = FaxResult(FaxStatus.COMPLETED, "1 page", remote_id="+1", pages=(PageRecord(1, True),))
    facts = of_result(result)
    assert (facts["status"], facts["completed"], facts["pages_confirmed"]) == ("COMPLETED", True, 1)
    variables = environment(facts | COMPLETE)
    assert (variables["FAX_PAGES"], variables["FAX_COMPLETE"]) == ("1", "1")
    assert (variables["FAX_CALLER_NUMBER"], variables["FAX_CALLED_NUMBER"]) == ("+15550199", "fax")
    assert variables["FAX_STATUS"] == "COMPLETED"


def test_the_information_of_a_partial_fax() -> None:
    assert "artial" in information(COMPLETE | {"completed": False})["Subject"]
    assert information(COMPLETE)["Subject"] == ""
    assert information(COMPLETE)["StationID"] == "+49 711 55"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("name", "{caller}/{date}"),
        ("name", "a\\b"),
        ("name", "{who}"),
        ("name", "{caller.user}"),
        ("name", "{caller[0]}"),
        ("name", "{date:%Y}"),
        ("name", "{caller!r}"),
        ("name", "{"),
        ("name", "{}"),
        ("name", "a\nb"),
        ("name", ""),
        ("name", "x" * 201),
        ("ocr_languages", "eng deu"),
        ("ocr_languages", "../eng"),
        ("exec", "cat 'it"),
        ("exec", " "),
        ("exec", "cat\0"),
        ("exec_seconds", 0),
    ],
)
def test_settings_that_are_refused(setting: str, value: object) -> None:
    with pytest.raises(SettingError, match=f"^{setting}: "):
        InboxSettings(**{setting: value})  # type: ignore[arg-type]


def test_the_words_of_a_command() -> None:
    assert InboxSettings(exec="mail -s 'a fax' '$HOME' a\\ b").command == (
        "mail",
        "-s",
        "a fax",
        "$HOME",
        "a b",
    )
    assert InboxSettings().command == ()
