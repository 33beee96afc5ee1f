"""Which team a contact belongs to: the request, rules in order, the ticket, the classifier, the fallback."""

import pytest

from routing.classify import classify
from routing.commands import Identity, Receive, Suggestion
from routing.hours import Hours, Span
from routing.model import Channel, SkillNeed, Ticket
from routing.policy import Rule
from tests.builders import NOON, make_policy, make_team

MORNING = Hours(time_zone="UTC", week=((Span("02:00", "03:00"),),) * 7)
AFTERNOON = Hours(time_zone="UTC", week=((Span("14:00", "15:00"),),) * 7)


def make_contact(**values):
    return Receive(**{"actor": "pbx", "channel": Channel.VOICE, "identity": Identity(), **values})


def decide(*rules, ticket=None, **values):
    policy = make_policy(make_team("general"), make_team("orders"), make_team("complaints"), rules=rules)
    return classify(policy, make_contact(**values), now=NOON, ticket=ticket)


def team_of(*rules, **values):
    return decide(*rules, **values).classification.team_id


def make_ticket(team_id):
    return Ticket(id=1, customer_id=1, team_id=team_id, owner_id="lead", opened_at=NOON)


@pytest.mark.parametrize(
    ("condition", "matching", "other"),
    [
        ({"dialled": ("+441", "+442")}, {"dialled": "+442"}, {"dialled": "+443"}),
        ({"menu": ("2", "1")}, {"menu": ("2", "1", "5")}, {"menu": ("2", "2")}),
        ({"channels": (Channel.CHAT,)}, {"channel": Channel.CHAT}, {"channel": Channel.EMAIL}),
        ({"dialled": ("+44 20 7946 0018",)}, {"dialled": "+44(20)7946-0018"}, {"dialled": "+442079460019"}),
        ({"dialled": ("Help@a-b.example",)}, {"dialled": "help@A-B.example"}, {"dialled": "help@ab.example"}),
        ({"languages": ("de",)}, {"language": "de"}, {"language": "en"}),
        ({"languages": ("de",)}, {"language": "de-AT"}, {"language": "den"}),
        ({"languages": ("de-AT",)}, {"language": "de-AT"}, {"language": "de"}),
        (
            {"segments": ("gold",)},
            {"identity": Identity(segment="gold")},
            {"identity": Identity(segment="silver")},
        ),
        ({"words": ("order",)}, {"text": "My ORDER, please"}, {"text": "the border is closed"}),
    ],
)
def test_rule_decides_where_its_condition_holds(condition, matching, other):
    rule = Rule(id="r", team="orders", **condition)
    assert (team_of(rule, **matching), team_of(rule, **other)) == ("orders", "general")


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        ("credit note", "I want a Credit  Note!", True),
        ("credit note", "a note on my credit", False),
        ("e-mail", "no e-mail came", True),
        ("straße", "in der STRASSE", True),
        ("ﬁnd", "i can't find it", True),
        ("заказ", "Мой ЗАКАЗ не пришёл", True),
    ],
)
def test_words_are_whole_words_or_phrases_without_case(words, text, found):
    rule = Rule(id="r", team="orders", words=(words,))
    assert (team_of(rule, text=text) == "orders") is found


def test_words_are_looked_for_in_the_subject_too():
    assert team_of(Rule(id="r", team="orders", words=("order",)), subject="Order 17") == "orders"


def test_rule_holds_only_at_its_hours():
    assert team_of(Rule(id="r", team="orders", hours=MORNING)) == "orders"
    assert team_of(Rule(id="r", team="orders", hours=AFTERNOON)) == "general"


def test_all_conditions_of_a_rule_must_hold():
    rule = Rule(id="r", team="orders", languages=("de",), words=("order",))
    assert team_of(rule, language="de", text="nothing") == "general"


def test_first_rule_that_holds_decides():
    rules = (
        Rule(id="a", team="complaints", words=("late",)),
        Rule(id="b", team="orders", words=("order",)),
    )
    said = decide(*rules, text="my order is late").classification
    assert (said.team_id, said.by, said.rule_id) == ("complaints", "rule", "a")


def test_rules_that_name_no_team_add_priority_and_skills_on_the_way():
    routed = decide(
        Rule(id="gold", priority=4, skills=(SkillNeed("vip", 2),), segments=("gold",)),
        Rule(id="orders", team="orders", words=("order",)),
        Rule(id="late", priority=5, words=("order",)),
        identity=Identity(segment="gold"),
        text="order",
    )
    assert (routed.classification.team_id, routed.priority) == ("orders", 4)
    assert routed.skills == (SkillNeed("vip", 2),)


def test_request_goes_before_everything():
    said = decide(Rule(id="r", team="orders"), team_id="complaints").classification
    assert (said.team_id, said.by) == ("complaints", "request")


def test_priority_of_the_request_goes_before_the_rules():
    assert decide(Rule(id="r", team="orders", priority=4), priority=1).priority == 1


def test_ticket_goes_before_the_classifier():
    guess = Suggestion("orders", 0.99)
    said = decide(ticket=make_ticket("complaints"), suggestion=guess).classification
    assert (said.team_id, said.by) == ("complaints", "ticket")


def test_ticket_of_a_team_that_is_no_more_does_not_decide():
    assert team_of(ticket=make_ticket("dissolved")) == "general"


def test_classifier_decides_when_it_is_sure():
    said = decide(suggestion=Suggestion("orders", 0.7, ("parcel",))).classification
    assert (said.team_id, said.by, said.confidence, said.words) == ("orders", "classifier", 0.7, ("parcel",))


def test_fallback_takes_what_the_classifier_is_not_sure_of():
    said = decide(suggestion=Suggestion("orders", 0.69)).classification
    assert (said.team_id, said.by, said.confidence) == ("general", "fallback", 0.69)
    assert "69%" in said.reason


def test_suggestion_of_an_unknown_team_is_no_suggestion():
    assert team_of(suggestion=Suggestion("nowhere", 1.0)) == "general"


def test_fallback_takes_what_nothing_decides():
    said = decide().classification
    assert (said.team_id, said.by, said.reason) == ("general", "fallback", "no rule matched")
