"""By what a customer is known: phone numbers in E.164, e-mail in lower case."""

from __future__ import annotations

from functools import lru_cache

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
) -> Identity:
    """Return the normalised identity; raises MalformedRequestError for a number that can't exist.

    `region` (ISO 3166, two letters) is assumed for numbers without a country code; `place` points at the
    number where it stood.
    """
    return Identity(
        phone=e164(phone, region, place) if phone is not None else None,
        email=email.strip().casefold() if email is not None else None,
        external_id=external_id,
        name=name,
        language=language,
        segment=segment,
    )


@lru_cache(maxsize=4096)
def e164(number: str, region: str, place: str = "/from/phone") -> str:
    """Return `number` as E.164; raises MalformedRequestError if it can't be a phone number."""
    detail = f"{number!r} is no phone number; write it like +44 20 7946 0018."
    problem = MalformedRequestError(detail, errors=[{"pointer": place, "detail": detail}])
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as error:
        raise problem from error
    if not phonenumbers.is_possible_number(parsed):
        raise problem
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
