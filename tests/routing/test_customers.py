"""What is known of a customer is learnt from contacts; two records become one without losing anything, and
apart again within a day.
"""

import pytest

from routing.commands import Identity, MergeCustomers, SplitCustomers
from routing.events import CustomerChanged
from routing.model import ContactState
from routing.refused import Code
from tests.builders import Rig

KEPT, MERGED = 901, 902


def merge(rig):
    rig.do(MergeCustomers(actor="lead", kept_id=KEPT, merged_id=MERGED, reason="same phone"))


def split(rig, merged_at, *contacts):
    ids = tuple(rig.contact(each).ticket_id for each in contacts)
    return SplitCustomers(
        actor="lead", kept_id=KEPT, merged_id=MERGED, merged_at=merged_at, ticket_ids=ids, reason="father"
    )


def test_merge_keeps_every_contact_and_ticket_waiting():
    rig = Rig()
    first, second = rig.receive(customer_id=KEPT), rig.receive(customer_id=MERGED)
    merge(rig)
    for contact in (first, second):
        assert rig.state(contact) is ContactState.QUEUED
        assert rig.contact(contact).customer_id == rig.ticket(contact).customer_id == KEPT


def test_repeat_contact_joins_a_ticket_that_came_with_the_merge():
    rig = Rig()
    first = rig.receive(customer_id=MERGED)
    merge(rig)
    second = rig.receive(customer_id=KEPT)
    assert rig.contact(second).ticket_id == rig.contact(first).ticket_id


def test_merge_undone_gives_back_what_came_with_it_and_keeps_what_came_since():
    rig = Rig()
    kept, merged = rig.receive(customer_id=KEPT), rig.receive(customer_id=MERGED)
    merge(rig)
    merged_at = rig.now
    rig.now += 86_400.0
    rig.do(split(rig, merged_at, merged))
    assert (rig.contact(kept).customer_id, rig.contact(merged).customer_id) == (KEPT, MERGED)
    assert rig.ticket(merged).customer_id == MERGED


def test_merge_can_not_be_undone_after_a_day():
    rig = Rig()
    merged = rig.receive(customer_id=MERGED)
    merge(rig)
    merged_at = rig.now
    rig.now += 86_401.0
    assert rig.refused(split(rig, merged_at, merged)).code is Code.WRONG_STATE


def test_merge_undone_twice_is_refused():
    rig = Rig()
    merged = rig.receive(customer_id=MERGED)
    merge(rig)
    rig.do(split(rig, rig.now, merged))
    assert rig.refused(split(rig, rig.now, merged)).code is Code.WRONG_STATE


def test_record_can_not_be_merged_with_itself():
    refusal = Rig().refused(MergeCustomers(actor="lead", kept_id=KEPT, merged_id=KEPT))
    assert refusal.code is Code.INVALID_VALUE


@pytest.mark.parametrize("known", [None, "", "Ada Lovelace"])
@pytest.mark.parametrize("number", [None, "C-7"])
def test_contact_fills_an_empty_name_and_replaces_one_only_by_the_customers_own_number(known, number):
    rig = Rig()
    told = Identity(phone="+442079460001", name="Ada King", external_id=number)
    contact = rig.receive(customer_id=KEPT, known=Identity(name=known), identity=told)
    learnt = [(each.name, each.contact_id) for each in rig.happened(CustomerChanged)]
    assert learnt == ([("Ada King", contact)] if number or not known else [])


def test_what_is_known_already_is_no_news():
    rig = Rig()
    known = Identity(external_id="C-7", name="Ada", language="en", segment="gold")
    rig.receive(customer_id=KEPT, known=known, identity=known)
    rig.receive(customer_id=KEPT, known=known, identity=Identity(external_id="C-7"))
    assert rig.happened(CustomerChanged) == []


def test_each_fact_is_learnt_by_itself():
    rig = Rig()
    known = Identity(name="Ada", segment="gold")
    rig.receive(customer_id=KEPT, known=known, identity=Identity(name="Bea", language="de", segment="none"))
    (learnt,) = rig.happened(CustomerChanged)
    assert (learnt.name, learnt.language, learnt.segment) == (None, "de", None)
