"""By what a customer is known: phone numbers in E.164, e-mail in lower case."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers

from app.errors import MalformedRequestError
from routing.commands import Identity


def identity(
    *,
    region: str,
    phone: str | None = None,
    email: str | None = None,
    external_id: str | None = None,
    name: str | None = None,
    language: str | None = None,
    segment: str | None = None,
    place: str = "/from/phone",
    live: bool = False,
) -> Identity:
    """Return the normalised identity; raises MalformedRequestError for a number that can't exist.

    `region` (ISO 3166, two letters) is assumed for numbers without a country code; `place` points at the
    number where it stood. Who is `live` on the line is taken for unknown where the number says nothing, as
    where it is withheld.
    """
    number = find_e164(phone, region) if phone is not None else None
    if phone is not None and number is None and not live:
        detail = f"{phone!r} is no phone number; write it like +44 20 7946 0018."
        raise MalformedRequestError(detail, errors=[{"pointer": place, "detail": detail}])
    return Identity(
        phone=number,
        email=email.strip().casefold() if email is not None else None,
        external_id=external_id,
        name=name,
        language=language,
        segment=segment,
    )


@lru_cache(maxsize=4096)
def find_e164(number: str, region: str) -> str | None:
    """Return `number`, which may be a SIP or tel address, as E.164; None if it can't be a phone number."""
    user = _SIP.match(number)
    try:
        parsed = phonenumbers.parse(user[1] if user is not None else number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


_SIP: Final = re.compile(r"(?:.*<)?sips?:([^@;>]+)@", re.IGNORECASE)
