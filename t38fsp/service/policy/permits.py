"""Which numbers may be called: against toll fraud, and against calls to emergency services.

A key and a route have prefixes that are allowed and refused; the longest one that matches decides, and a
number that none matches may be called unless there are allowed ones. Emergency and premium-rate numbers are
refused unless the route allows them, by the numbering plans that phonenumbers knows.

A number is looked at in each form in which it may reach the network: as it was written, as it is dialled,
without the access code of a PBX, and with its country code; also the number in a SIP URI. For what is refused
also in the forms that a trunk may make of it: without separators, without what follows ``#`` (the end of
dialling) or leads with ``*`` (service codes), and with the ``phone-context`` of RFC 3966.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.service.policy.numbers import DialledNumber
from t38fsp.settings.dial_plan import DialPlan

if TYPE_CHECKING:
    import phonenumbers

_ANYWHERE = ("112", "911")
"""Emergency numbers of mobile networks in any country (3GPP TS 22.101), where no region is set."""
_INTERNATIONAL = (1, 5)
"""``CountryCodeSource`` of phonenumbers: the number began with a + or with the international prefix."""
_VISUAL = re.compile(r"[-.()]")
"""Separators that a URI may have in a number (RFC 3966 3)."""
_CONTEXT = re.compile(r";phone-context=(\+[0-9]+)", re.IGNORECASE)
_SHORTEST_PREMIUM = 7
"""Digits of the shortest premium-rate number that further digits are looked for after."""
_MOST_PREFIXES = 1000
_LONGEST_PREFIX = 80


def check_prefix(prefix: object) -> None:
    """Raises SettingError."""
    if not isinstance(prefix, str):
        raise SettingError(f"{prefix!r} is not a string; put it in quotes")
    digits = prefix.removeprefix("+")
    is_number = digits != "" and all(each in "0123456789*#" for each in digits)
    is_uri = prefix.lower().startswith("sip:") and prefix.isprintable() and " " not in prefix
    if len(prefix) > _LONGEST_PREFIX or not (is_number or is_uri):
        raise SettingError(
            f"{prefix[:_LONGEST_PREFIX]!r} is not the beginning of a number; "
            "write digits such as +49 (without a blank) or 0900, or sip:USER@HOST"
        )


def _check_prefixes(prefixes: object) -> None:
    if not isinstance(prefixes, tuple) or len(prefixes) > _MOST_PREFIXES:
        raise SettingError(f"write a list of up to {_MOST_PREFIXES} beginnings of numbers")
    for prefix in prefixes:
        check_prefix(prefix)


@dataclass(frozen=True, slots=True)
class Permits:
    """Which numbers a route, or the holder of a key, may call. Raises SettingError for a wrong prefix."""

    allowed: tuple[str, ...] = setting((), check=_check_prefixes, table="routes")
    """Beginnings of numbers that may be called; the longest one that matches decides, of these and of
    ``refused``. Default: all numbers."""
    refused: tuple[str, ...] = setting((), check=_check_prefixes, table="routes")
    """Beginnings of numbers that may not be called, ``["+881", "+882"]``."""
    emergency: bool = setting(False, table="routes")
    """Allow calls to emergency numbers."""
    premium: bool = setting(False, table="routes")
    """Allow calls to premium-rate numbers."""

    def __post_init__(self) -> None:
        check(self, SettingError)


EVERYTHING = Permits(emergency=True, premium=True)


def refusal(
    to: DialledNumber, plan: DialPlan, route: str, permits: Permits, key: Permits = EVERYTHING
) -> str | None:
    """Why ``to`` may not be called through ``route``, which has this dial plan, as a sentence; None if it
    may."""
    also = tuple(_also(to, plan))
    for whose, each in ((f"route {route!r}" if route else "the route", permits), ("the key", key)):
        if (fault := _by_prefix(to, plan, also, each, whose)) is not None:
            return fault
    for one in (to, *also):
        forms = _forms(one, plan)
        if not (permits.emergency and key.emergency) and _is_emergency(one, forms, plan.region):
            return _off(to, "an emergency number", route, "emergency")
        if not (permits.premium and key.premium) and _is_premium(one, forms, plan):
            return _off(to, "a premium-rate number", route, "premium")
    return None


def _off(to: DialledNumber, what: str, route: str, setting: str) -> str:
    return (
        f"{to.number or to.key} is {what}, and calls to such are refused; "
        f"if they are wanted, set {setting} = true in [service.routes.{route or 'NAME'}]"
    )


def _forms(to: DialledNumber, plan: DialPlan) -> tuple[str, ...]:
    outside = _outside(to.number, plan)
    forms = (to.number, plan.ruled(to.number), to.e164, to.uri, outside, outside and plan.e164(outside))
    # Also of a number that does not exist, as far as is known: tables of numbers are never complete.
    abroad = (
        f"+{each.country_code}{each.national_number}"
        for each in _parsed(filter(None, forms), plan.region)
        if each.country_code_source in _INTERNATIONAL
    )
    return tuple(dict.fromkeys(form.lower() for form in (*forms, *abroad) if form))


def _also(to: DialledNumber, plan: DialPlan) -> Iterator[DialledNumber]:
    """Other numbers that may be called where ``to`` is dialled."""
    if (dialled := _dialled(to, plan)) is not None:
        yield dialled
    plain = _VISUAL.sub("", to.number)
    # A trunk takes # for the end of a number, and what is between * and # for a code in front of it.
    parts = {part for part in re.split("[*#]", plain) if part.removeprefix("+").isdigit()}
    if (context := _CONTEXT.search(to.uri)) is not None:
        parts |= {context[1] + part for part in parts}
    for part in sorted(parts - {to.number}):
        yield replace(to, number=part, e164=plan.e164(part))


def _dialled(to: DialledNumber, plan: DialPlan) -> DialledNumber | None:
    """The number as it leaves a PBX, where that is another one: +49 000 44 20... is dialled as 00 44 20...
    within Germany, and so leads into another country."""
    if to.uri or not to.number.removeprefix("+").isdigit():
        return None
    number = plan.dial(to.number)
    if to.e164 is not None:
        # With a country code it was external, and so has the access code.
        number = number.removeprefix(plan.access_code)
    if number == to.number or not number.removeprefix("+").isdigit():
        return None
    # It is dialled as it is, so that no rule counts again.
    e164 = plan.model_copy(update={"rules": ()}).e164(number)
    return None if e164 in (None, to.e164) else replace(to, number=number, e164=e164)


def _outside(number: str, plan: DialPlan) -> str:
    """The number behind the access code of a PBX; empty if it is not written with it."""
    code = plan.access_code
    return number.removeprefix(code) if code and number.startswith(code) else ""


def _by_prefix(
    to: DialledNumber, plan: DialPlan, also: tuple[DialledNumber, ...], permits: Permits, whose: str
) -> str | None:
    forms = _forms(to, plan)
    every = forms + tuple(form for one in also for form in _forms(one, plan))
    # A prefix of numbers allows no URI: that would be a call to any host.
    allowed = _longest(permits.allowed, (to.uri.lower(),) if to.uri else forms)
    if allowed is not None and (dialled := _dialled(to, plan)) is not None:
        allowed = _longest(permits.allowed, _forms(dialled, plan))
    refused = _longest(permits.refused, every)
    # Of two of the same length the refusal counts.
    if refused is not None and (allowed is None or len(refused) >= len(allowed)):
        return f"{to.number or to.key} begins with {refused}, which {whose} refuses"
    if permits.allowed and allowed is None:
        return f"{to.uri or to.number} begins with none of the prefixes that {whose} allows"
    return None


def _longest(prefixes: Iterable[str], forms: tuple[str, ...]) -> str | None:
    matching = [each for each in prefixes if any(form.startswith(each.lower()) for form in forms)]
    return max(matching, key=len, default=None)


def _is_emergency(to: DialledNumber, forms: tuple[str, ...], region: str | None) -> bool:
    # On use: the tables of all countries.
    import phonenumbers
    from phonenumbers import shortnumberinfo

    digits = [form for form in forms if form.isdigit()]
    if region is None:
        if any(form in _ANYWHERE for form in digits):
            return True
    elif to.e164 is None and any(
        shortnumberinfo.connects_to_emergency_number(form, region) for form in digits
    ):
        # Digits after such a number do not change where it leads; in a number with a country code they do.
        return True
    return any(
        shortnumberinfo.is_emergency_number(str(parsed.national_number), each)
        for parsed in _parsed(forms, region)
        if parsed.country_code_source in _INTERNATIONAL
        for each in phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    )


def _is_premium(to: DialledNumber, forms: tuple[str, ...], plan: DialPlan) -> bool:
    import phonenumbers
    from phonenumbers import shortnumberinfo

    premium = phonenumbers.PhoneNumberType.PREMIUM_RATE
    for form in forms:
        # Digits after a number do not change where it leads, unless they make it another one.
        for parsed in _parsed((form[:length] for length in _lengths(form)), plan.region):
            kind = phonenumbers.number_type(parsed)
            if kind == premium:
                return True
            if kind != phonenumbers.PhoneNumberType.UNKNOWN:
                break
    # A short number without the access code is one of the PBX.
    short = _outside(to.number, plan) if plan.access_code else plan.ruled(to.number)
    if plan.region is None or not short.isdigit():
        return False
    return any(
        shortnumberinfo.expected_cost_for_region(parsed, plan.region)
        == shortnumberinfo.ShortNumberCost.PREMIUM_RATE
        for parsed in _parsed((short,), plan.region)
    )


def _lengths(form: str) -> range:
    return range(len(form), min(_SHORTEST_PREMIUM, len(form)) - 1, -1)


def _parsed(forms: Iterable[str], region: str | None) -> Iterator[phonenumbers.PhoneNumber]:
    import phonenumbers

    for form in forms:
        if form.removeprefix("+").isdigit():
            with suppress(phonenumbers.NumberParseException):
                yield phonenumbers.parse(form, region, keep_raw_input=True)
