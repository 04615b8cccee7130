"""Dial plans: how a number that a person wrote is dialled through a route.

Applied in this order: the first rule whose ``begins`` matches, the number format, the access code. Numbers of
few digits and those with ``*`` or ``#`` are internal: after the rules they are dialled unchanged. So is a
number that could be a local one. An extension made of letters is dialled unchanged as a SIP URI, and no rule
applies to it. No number is refused here: only the trunk knows whether it exists.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sip.syntax.uri import Uri

if TYPE_CHECKING:
    import phonenumbers

_DIGITS = re.compile(r"[0-9]+")


class NumberFormat(Enum):
    """Format of external numbers."""

    AS_DIALLED = "as-dialled"
    E164 = "e164"
    """With + and country code."""
    DIGITS = "digits"
    """The same without +."""
    NATIONAL = "national"
    """As dialled within the region, with trunk or international prefix."""


class UriScheme(Enum):
    SIP = "sip"
    TEL = "tel"


def _known_region(region: str) -> str:
    # Imported on use: the metadata of all countries take longer to load than the rest of a command.
    import phonenumbers  # only for dial plans that name a region or a format: it has a table of every country

    upper = region.upper()
    if upper not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{region!r} is not a region; write two letters such as US or DE")
    return upper


def _dialable(digits: str) -> str:
    if not re.fullmatch(r"\+?[0-9*#]{0,32}", digits):
        raise ValueError(f"{digits!r} cannot be dialled; write up to 32 digits, * or #, optionally after a +")
    return digits


Region = Annotated[str, AfterValidator(_known_region)]
Digits = Annotated[str, AfterValidator(_dialable)]


class DialRule(BaseModel):
    """For numbers that begin with ``begins``: remove ``strip`` characters, then insert ``prepend``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begins: Digits = ""
    strip: int = Field(default=0, ge=0, le=32)
    prepend: Digits = ""


class DialPlan(BaseModel):
    """``[routes.NAME.dial]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: Region | None = None
    """Country of numbers without a country code: two letters (ISO 3166), ``"US"``, ``"DE"``."""
    format: NumberFormat = NumberFormat.AS_DIALLED
    """``"e164"`` is + and country code, ``"digits"`` the same without +, ``"national"`` as dialled within the
    region."""
    internal_digits: int = Field(default=6, ge=0, le=32)
    """Numbers with at most this number of digits are internal."""
    access_code: Digits = ""
    """Prefix of external numbers."""
    rules: tuple[DialRule, ...] = ()
    """``{ begins = "00", strip = 2, prepend = "+" }``: remove ``strip`` characters, then insert
    ``prepend``."""
    scheme: UriScheme = UriScheme.SIP
    """``"tel"`` sends tel URIs."""
    user_phone: bool = False
    """Adds ``;user=phone`` to SIP URIs that hold a number (RFC 3261 19.1.1)."""

    def dial(self, number: str) -> str:
        """The digits to dial for ``number``, which must have no separators."""
        ruled = self.ruled(number)
        # The access code is for the PBX, so it comes before all that the network sees.
        return self.access_code + self._formatted(ruled) if self._is_external(ruled) else ruled

    def ruled(self, number: str) -> str:
        """The number after the rules, and before format and access code."""
        if _is_name(number):
            return number
        for rule in self.rules:
            if number.startswith(rule.begins):
                return rule.prepend + number[rule.strip :]
        return number

    def e164(self, number: str) -> str | None:
        """The number with + and country code, whatever the format; None for an internal number, a name, or
        one whose country is not known."""
        ruled = self.ruled(number)
        parsed = _parse(ruled, self.region) if self._is_external(ruled) else None
        if parsed is None:
            return None
        import phonenumbers

        return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)

    def uri(self, number: str, host: str, port: int | None) -> Uri:
        """The Request-URI for ``number`` at a peer."""
        dialled = self.dial(number)
        if _is_name(number):
            return Uri("sip", dialled, host, port)
        if self.scheme is UriScheme.TEL:
            # A local number must have a phone-context, the domain in which it is valid (RFC 3966 5.1.5).
            return Uri("tel", dialled, "", params={} if dialled.startswith("+") else {"phone-context": host})
        return Uri("sip", dialled, host, port, {"user": "phone"} if self.user_phone else {})

    def _is_external(self, ruled: str) -> bool:
        digits = ruled.removeprefix("+")
        return len(digits) > self.internal_digits and _DIGITS.fullmatch(digits) is not None

    def _formatted(self, number: str) -> str:
        if self.format is NumberFormat.AS_DIALLED:
            return number
        import phonenumbers

        parsed = _parse(number, self.region)
        if parsed is None:
            return number.removeprefix("+") if self.format is NumberFormat.DIGITS else number
        if self.format is NumberFormat.NATIONAL:
            if self.region is None:
                return number
            # As dialled within the region: with the trunk prefix, or with the international prefix and
            # the country code.
            local = phonenumbers.format_out_of_country_calling_number(parsed, self.region)
            return "".join(_DIGITS.findall(local))
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        return e164 if self.format is NumberFormat.E164 else e164.removeprefix("+")


def _is_name(number: str) -> bool:
    return number[:1].isalpha()


def _parse(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """The number, or None unless it is unambiguous worldwide."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_valid_number(parsed):
        return parsed
    possible = (
        phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE
    )
    # Without a prefix it could as well be a local number without its area code.
    # A number of a new range is not valid to the library yet, but is dialled all the same.
    return parsed if possible and (number.startswith("+") or _has_prefix(number, region)) else None


def _has_prefix(number: str, region: str | None) -> bool:
    """Whether ``number`` begins with the region's trunk or international prefix."""
    import phonenumbers

    metadata = None if region is None else phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return False
    # Patterns, as a region may have several international prefixes.
    prefixes = (metadata.national_prefix, metadata.international_prefix)
    return any(prefix is not None and re.match(prefix, number) for prefix in prefixes)
