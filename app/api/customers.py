"""Customers: by what they are known, and what of them; two records become one, and apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from app.api import bodies
from app.auth import Principal, requires
from app.batch import Errand
from app.clock import isoformat
from app.db import tickets as rows
from app.errors import MalformedRequestError, NotFoundError, WrongStateError
from app.found import Found
from app.house import House, house_of
from app.identify import identity
from routing.commands import ChangeCustomer, MergeCustomers, SplitCustomers
from routing.customers import SPLIT_WITHIN_S
from routing.events import CustomerChanged, CustomersMerged, Event
from routing.floor import Floor

router = APIRouter(prefix="/v1/customers", tags=["customers"])


@router.get("", summary="The customers known by a phone number, an e-mail address or an external id.")
async def list_customers(
    request: Request,
    _: Annotated[Principal, Depends(requires("customers:read"))],
    phone: Annotated[str | None, Query(min_length=2, max_length=40)] = None,
    email: Annotated[str | None, Query(min_length=3, max_length=254)] = None,
    external_id: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
) -> dict[str, Any]:
    """Return who is known by any of these, as it stands after merges; a phone number is read as at intake."""
    house = house_of(request)
    region = house.switchboard.policy.site.region
    known = identity(region=region, phone=phone, email=email, external_id=external_id, place="/phone")
    given = {"phone": known.phone, "email": known.email, "external_id": known.external_id}
    keys = [(kind, value) for kind, value in given.items() if value is not None]
    if not keys:
        detail = "Give a phone, an email or an external_id to look for."
        raise MalformedRequestError(detail, errors=[{"pointer": "/phone", "detail": detail}])
    found = await house.database.read(rows.list_known, keys)
    return {"items": [await _customer(house, each) for each in found], "next": None}


@router.get("/{customer_id}", summary="One customer and what he or she is known by.")
async def get_customer(
    request: Request, customer_id: int, _: Annotated[Principal, Depends(requires("customers:read"))]
) -> dict[str, Any]:
    """Return one customer; `merged_into` names the record that stands for it now, `merged` those in it."""
    return await _customer(house_of(request), customer_id)


@router.patch("/{customer_id}", summary="Correct what is known of a customer.")
async def change_customer(
    request: Request,
    customer_id: int,
    given: bodies.CustomerFacts,
    who: Annotated[Principal, Depends(requires("customers:write"))],
) -> dict[str, Any]:
    """Change name, language or segment: what is left out stays, null is forgotten.

    A merged record leads to the one it went into.
    """
    house = house_of(request)
    told = given.model_dump(include=given.model_fields_set - {"reason"})
    if not told:
        detail = "Give a name, a language or a segment to change."
        raise MalformedRequestError(detail, errors=[{"pointer": "/name", "detail": detail}])
    facts = {name: value or "" for name, value in told.items()}

    def make(found: Found) -> ChangeCustomer:
        kept = found.survivor(customer_id)
        return ChangeCustomer(actor=who.actor, customer_id=kept, reason=given.reason, **facts)

    kept: int = await house.switchboard.carry_out(Errand(_changed, make, customer_ids=(customer_id,)))
    return await _customer(house, kept)


@router.post("/{customer_id}/merge", summary="Two records are one customer; nothing of either is lost.")
async def merge(
    request: Request,
    customer_id: int,
    given: bodies.MergeWith,
    who: Annotated[Principal, Depends(requires("customers:write"))],
) -> dict[str, Any]:
    """Put another record into this one: its contacts, tickets and keys. Can be undone within a day."""
    house = house_of(request)

    def make(found: Found) -> MergeCustomers:
        kept, gone = found.survivor(customer_id), found.survivor(given.customer_id)
        if kept == gone and customer_id != given.customer_id:
            raise WrongStateError(f"Customers {customer_id} and {given.customer_id} are one record already.")
        return MergeCustomers(actor=who.actor, kept_id=kept, merged_id=gone, reason=given.reason)

    ids = (customer_id, given.customer_id)
    kept: int = await house.switchboard.carry_out(Errand(_kept, make, customer_ids=ids))
    return await _customer(house, kept)


@router.post("/{customer_id}/split", summary="Undo the merge that this record went into.")
async def split(
    request: Request,
    customer_id: int,
    given: bodies.Reason,
    who: Annotated[Principal, Depends(requires("customers:write"))],
) -> dict[str, Any]:
    """Give back what came with the merge; what was opened since stays with the other record."""
    house = house_of(request)

    def make(found: Found) -> SplitCustomers:
        merge = found.merge_of(customer_id)
        return SplitCustomers(
            actor=who.actor,
            kept_id=merge.kept_id,
            merged_id=merge.merged_id,
            merged_at=merge.merged_at,
            ticket_ids=merge.ticket_ids,
            reason=given.reason,
        )

    await house.switchboard.carry_out(Errand(_nothing, make, customer_ids=(customer_id,)))
    return await _customer(house, customer_id)


async def _customer(house: House, customer_id: int) -> dict[str, Any]:
    found = await house.database.read(rows.find_customer, customer_id)
    if found is None:
        raise NotFoundError(f"There is no customer {customer_id}.")
    return found | {
        # A fact that was taken back is stored as an empty one, so that no older one shines through.
        **{name: found[name] or None for name in ("name", "language", "segment")},
        "created_at": isoformat(found["created_at"]),
        "merged": [
            each
            | {
                "merged_at": isoformat(each["merged_at"]),
                "split_until": isoformat(each["merged_at"] + SPLIT_WITHIN_S),
            }
            for each in found["merged"]
        ],
    }


def _changed(_: Floor, events: Sequence[Event]) -> int:
    return next(each.customer_id for each in events if isinstance(each, CustomerChanged))


def _kept(_: Floor, events: Sequence[Event]) -> int:
    return next(each.kept_id for each in events if isinstance(each, CustomersMerged))


def _nothing(*_: object) -> None:
    return None
