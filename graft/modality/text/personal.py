"""Personal data in texts: patterns that a first search finds, and what makes sure of a hit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Personal:
    """A kind of personal data: what it is called, a pattern (RE2) that any text with it matches, and the test of the text."""

    name: str
    pattern: str
    confirm: Callable[[str], bool] | None = None


_EDGE = r"(?<![\w.,+/-])(?<![0-9]{4} )"  # not inside a longer number, sum, path or word
_PHONES = (
    re.compile(_EDGE + r"(?:\+|00)[1-9](?:[ ./()-]{0,2}\d){7,14}(?![\w])"),
    re.compile(_EDGE + r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?![\w])"),
    re.compile(_EDGE + r"\(?0[1-9]\d{1,4}\)?[ /-]?\d{3,4}[ -]?\d{3,4}(?![\w])"),
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-])")
_ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[068]\d{12}|(?:35|6\d)\d{14,17}"
)  # Visa, Mastercard, American Express, Diners Club, JCB, Discover, Maestro and UnionPay
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IP = re.compile(rf"(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?!\w|\.\d)")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")


def has_phone(text: str) -> bool:
    """Tell whether a telephone number of 9 to 15 digits stands there: +CC or 00CC, North American, or national with 0.

    A number behind the letters ISBN is a book's.
    """
    hits = (hit for pattern in _PHONES for hit in pattern.finditer(text))
    return any(9 <= _n_digits(hit[0]) <= 15 and "ISBN" not in text[: hit.start()][-20:].upper() for hit in hits)


def has_iban(text: str) -> bool:
    """Tell whether an IBAN with a right checksum (ISO 7064, 97-10) stands there."""
    return any(_is_iban(hit[0].replace(" ", "")) for hit in _IBAN.finditer(text))


def _is_iban(text: str) -> bool:
    turned = text[4:] + text[:4]
    return 15 <= len(text) <= 34 and int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def has_card(text: str) -> bool:
    """Tell whether a payment card's number (an issuer's prefix and length, a right Luhn digit) stands there."""
    return any(_is_card(re.sub(r"\D", "", hit[0])) for hit in _CARD.finditer(text))


def _is_card(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return bool(_ISSUED.fullmatch(digits)) and sum(n // 10 + n % 10 for n in doubled) % 10 == 0


def has_ip(text: str) -> bool:
    """Tell whether an IPv4 address stands there; four numbers below 10 are a version ("2.0.1.3")."""
    return any(max(int(octet) for octet in hit[0].split(".")) >= 10 for hit in _IP.finditer(text))


def has_ssn(text: str) -> bool:
    """Tell whether a number in the form of a US social security number stands there, in a range that is given out."""
    return bool(_SSN.search(text))


def _n_digits(text: str) -> int:
    return sum(letter.isdigit() for letter in text)


PERSONAL = (
    Personal("e-mail addresses", r"(?i)\b[a-z0-9][a-z0-9._%+-]*@[a-z0-9](?:[a-z0-9-]*\.)+[a-z]{2,24}\b"),
    Personal("telephone numbers", r"[0-9](?:[ ./()-]{0,2}[0-9]){8,14}", has_phone),
    Personal("IBANs", r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2}", has_iban),
    Personal("payment card numbers", r"[0-9](?:[ -]?[0-9]){12,18}", has_card),
    Personal("IP addresses", r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", has_ip),
    Personal("US social security numbers", r"[0-9]{3}-[0-9]{2}-[0-9]{4}", has_ssn),
)
