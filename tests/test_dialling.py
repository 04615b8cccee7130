"""Dial plans: what is dialled for what a person wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from t38fsp.settings.dial_plan import DialPlan, DialRule, NumberFormat, UriScheme
from tests.sweep import examples

FORMATS = (NumberFormat.E164, NumberFormat.DIGITS, NumberFormat.NATIONAL)


@pytest.mark.parametrize(
    ("region", "number", "e164", "digits", "national"),
    [
        ("DE", "0301234567", "+49301234567", "49301234567", "0301234567"),
        ("DE", "+49301234567", "+49301234567", "49301234567", "0301234567"),
        ("DE", "00442071838750", "+442071838750", "442071838750", "00442071838750"),
        ("de", "+12125550100", "+12125550100", "12125550100", "0012125550100"),
        ("US", "2125550100", "+12125550100", "12125550100", "12125550100"),
        ("US", "12125550100", "+12125550100", "12125550100", "12125550100"),
        ("US", "011442071838750", "+442071838750", "442071838750", "011442071838750"),
        ("GB", "02071838750", "+442071838750", "442071838750", "02071838750"),
    ],
)
def test_numbers_are_written_as_the_trunk_wants_them(
    region: str, number: str, e164: str, digits: str, national: str
) -> None:
    dialled = [DialPlan(region=region, format=each).dial(number) for each in FORMATS]
    assert dialled == [e164, digits, national]


@pytest.mark.parametrize("form", NumberFormat)
@pytest.mark.parametrize(
    ("region", "number"),
    [
        ("DE", "0"),
        ("DE", "12"),
        ("DE", "112"),
        ("US", "911"),
        ("DE", "123456"),
        ("DE", "*99#"),
        ("DE", "*12345678"),
        # Of the same town, perhaps.
        ("US", "5550100"),
        ("DE", "1234567"),
        # Not enough is known.
        (None, "0301234567"),
        ("US", "99999999999999999"),
    ],
)
def test_internal_numbers_and_riddles_are_dialled_as_they_are(
    form: NumberFormat, region: str | None, number: str
) -> None:
    assert DialPlan(region=region, format=form).dial(number) == number


@pytest.mark.parametrize("scheme", UriScheme)
def test_an_extension_of_letters_is_dialled_as_it_is(scheme: UriScheme) -> None:
    plan = DialPlan(
        region="US",
        format=NumberFormat.E164,
        internal_digits=0,
        access_code="9",
        rules=(DialRule(prepend="77"),),
        scheme=scheme,
        user_phone=True,
    )
    assert str(plan.uri("reception", "pbx.example", 5070)) == "sip:reception@pbx.example:5070"


def test_a_fictional_number_is_dialled_all_the_same() -> None:
    dialled = [DialPlan(region="DE", format=each).dial("+15550100") for each in FORMATS]
    assert dialled == ["+15550100", "15550100", "+15550100"]


def test_the_first_rule_that_fits_is_applied_before_anything_else() -> None:
    plan = DialPlan(
        region="DE",
        format=NumberFormat.E164,
        rules=(
            DialRule(begins="90", strip=1),
            DialRule(begins="9", strip=1, prepend="0049"),
            DialRule(begins="+1", strip=1),
            DialRule(begins="77", prepend="1"),
        ),
    )
    assert plan.dial("90301234567") == "+49301234567"
    assert plan.dial("9301234567") == "+49301234567"
    assert plan.dial("+15550100") == "15550100"
    assert plan.dial("77") == "177"
    assert plan.dial("78") == "78"


def test_the_access_code_is_for_numbers_outside() -> None:
    plan = DialPlan(region="DE", format=NumberFormat.NATIONAL, access_code="0")
    assert plan.dial("+49301234567") == "00301234567"
    assert plan.dial("1234567") == "01234567"
    assert plan.dial("123456") == "123456"
    assert DialPlan(internal_digits=3, access_code="9").dial("1234") == "91234"


@pytest.mark.parametrize(
    ("plan", "number", "uri"),
    [
        (DialPlan(), "+15550100", "sip:+15550100@trunk.example:5070"),
        (DialPlan(user_phone=True), "100", "sip:100@trunk.example:5070;user=phone"),
        (DialPlan(scheme=UriScheme.TEL), "+15550100", "tel:+15550100"),
        (DialPlan(scheme=UriScheme.TEL), "100", "tel:100;phone-context=trunk.example"),
    ],
)
def test_the_uri_of_a_number(plan: DialPlan, number: str, uri: str) -> None:
    assert str(plan.uri(number, "trunk.example", 5070)) == uri


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"region": "Germany"}, "two letters such as US or DE"),
        ({"access_code": "nine"}, "cannot be dialled"),
        ({"rules": [{"begins": "9", "strip": -1}]}, "greater than or equal to 0"),
        ({"rules": [{"begin": "9"}]}, "Extra inputs"),
        ({"format": "E.164"}, "'e164'"),
        ({"internal_digits": 99}, "less than or equal to 32"),
    ],
)
def test_a_wrong_plan_is_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        DialPlan.model_validate(settings)


@examples(push=100, full=300)
@given(
    st.from_regex(r"\+?[0-9*#]{1,32}", fullmatch=True),
    st.sampled_from(["US", "DE", "GB", "IT", None]),
    st.sampled_from(NumberFormat),
)
def test_every_number_can_be_dialled(number: str, region: str | None, form: NumberFormat) -> None:
    plan = DialPlan(region=region, format=form)
    dialled = plan.dial(number)
    assert dialled
    assert set(dialled) <= set("+0123456789*#")
    if form is NumberFormat.E164 and dialled.startswith("+"):
        # Nothing more is done to what has its final form.
        assert plan.dial(dialled) == dialled
    str(plan.uri(number, "trunk.example", None))
