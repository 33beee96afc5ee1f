"""`rondo receive`, `act`, `offers`, `offer`: contacts and offers of a running service, by hand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from json import dumps
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from app.cli_client import HOME, AsJson, Key, Url, ask
from app.cli_console import LineConsole
from routing.model import Channel, TicketState

ContactId = Annotated[int, typer.Argument(help="The contact's id.", min=1)]
Reason = Annotated[str, typer.Option(help="Why, as the record shall say it.")]


class Act(StrEnum):
    """What may be done to a contact."""

    PRIORITY = "priority"
    MOVE = "move"
    ASSIGN = "assign"
    REVOKE = "revoke"
    CANCEL = "cancel"
    TRANSFER = "transfer"
    TAKE_BACK = "take-back"
    COMPLETE = "complete"
    ABANDON = "abandon"
    CALLBACK = "callback"
    CALLBACK_MISSED = "callback-missed"


class Answer(StrEnum):
    """What may become of an offer, or of the wrap-up that follows."""

    ACCEPT = "accept"
    DECLINE = "decline"
    NO_ANSWER = "no-answer"
    REVOKE = "revoke"
    EXTEND_WRAP_UP = "extend-wrap-up"
    FINISH_WRAP_UP = "finish-wrap-up"


@dataclass(frozen=True, slots=True)
class _Verb:
    """What a verb takes: into which field VALUE goes and what it is, and the field of `--reason`."""

    field: str = ""
    wants: str = ""
    needed: bool = False
    reason: str = ""


_VERBS: Final = {
    Act.PRIORITY: _Verb("priority", "a number", needed=True),
    Act.MOVE: _Verb("team", "the id of a team", needed=True, reason="reason"),
    Act.ASSIGN: _Verb("agent", "the id of an agent", needed=True),
    Act.REVOKE: _Verb("agent", "the id of an agent", reason="reason"),
    Act.CANCEL: _Verb(reason="reason"),
    Act.TRANSFER: _Verb("team", "the id of a team", reason="reason"),
    Act.TAKE_BACK: _Verb(),
    Act.COMPLETE: _Verb("ticket", f"the ticket's state: {', '.join(TicketState)}", reason="outcome"),
    Act.ABANDON: _Verb(reason="reason"),
    Act.CALLBACK: _Verb("scheduled_at", "an instant"),
    Act.CALLBACK_MISSED: _Verb(reason="reason"),
}
_REASONED: Final = frozenset({Answer.DECLINE, Answer.NO_ANSWER, Answer.REVOKE})


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("receive")(receive)
    app.command("act")(act)
    app.command("offers")(offers)
    app.command("offer")(offer)


def receive(
    channel: Annotated[Channel, typer.Argument(help="How the customer makes contact.")],
    *,
    phone: Annotated[str | None, typer.Option(help="The customer's number.")] = None,
    email: Annotated[str | None, typer.Option(help="The customer's address.")] = None,
    name: Annotated[str | None, typer.Option(help="The customer's name.")] = None,
    to: Annotated[str | None, typer.Option(help="The number or address that was dialled.")] = None,
    menu: Annotated[list[str] | None, typer.Option(help="A choice in the menu; may be repeated.")] = None,
    team: Annotated[str | None, typer.Option(help="The team, where that is known already.")] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    text: Annotated[str | None, typer.Option(help="What the customer wrote.")] = None,
    language: Annotated[str | None, typer.Option(help="As en or de-AT.")] = None,
    priority: Annotated[int | None, typer.Option(help="How urgent it is.")] = None,
    call_id: Annotated[str | None, typer.Option(help="The sender's own id; repeating it is safe.")] = None,
    at: Annotated[str | None, typer.Option(help="When to call back, as 2026-03-02T15:00:00Z.")] = None,
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Take a contact in, as a telephony system or gateway does: identified, routed, queued, offered."""
    sender = {"phone": phone, "email": email, "name": name}
    body = {"channel": channel.value, "from": {k: v for k, v in sender.items() if v is not None}} | {
        field: value
        for field, value in (
            ("to", to),
            ("menu", menu or None),
            ("team", team),
            ("subject", subject),
            ("text", text),
            ("language", language),
            ("priority", priority),
            ("call_id", call_id),
            ("scheduled_at", at),
        )
        if value is not None
    }
    found = ask(url, key, "POST", "/v1/contacts", body=body)
    if as_json:
        typer.echo(dumps(found))
    else:
        _say(found)


def act(
    what: Annotated[Act, typer.Argument(help="What to do.")],
    contact: ContactId,
    value: Annotated[
        str,
        typer.Argument(
            help="priority: the number. move, transfer: the team. assign, revoke: the agent. "
            "complete: the ticket's state. callback: when, as 2026-03-02T15:00:00Z."
        ),
    ] = "",
    *,
    to_agent: Annotated[str | None, typer.Option(help="transfer: to this agent.")] = None,
    warm: Annotated[bool, typer.Option("--warm", help="transfer: the agent stays till it is taken.")] = False,
    reason: Reason = "",
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Do something to a contact.

    Waiting: priority, move, assign (offer it to one agent), revoke (take its offers back), cancel,
    callback (instead of waiting, at its place or at a time), abandon (the customer left).
    In conversation: transfer, take-back (of a warm transfer nobody has taken yet), complete, callback-missed.
    """
    verb = _VERBS[what]
    body = _body(what, verb, value, reason=reason)
    if what is Act.TRANSFER:
        body |= {"warm": warm} | ({"agent": to_agent} if to_agent is not None else {})
        if not value and to_agent is None:
            raise typer.BadParameter("transfer wants the id of a team, or --to-agent", param_hint="VALUE")
    elif warm or to_agent is not None:
        raise typer.BadParameter("--warm and --to-agent go with transfer", param_hint="OPTION")
    if what is Act.REVOKE:
        found = _revoke(url, key, contact, body)
    else:
        found = ask(url, key, "POST", f"/v1/contacts/{contact}/{what}", body=body)
    if as_json:
        typer.echo(dumps(found))
    else:
        _say(found)


def offers(
    key: Key,
    url: Url = HOME,
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the offers that ring, are in conversation or in wrap-up; the ids go with `rondo offer`."""
    query = {"agent": agent} if agent is not None else None
    found = ask(url, key, "GET", "/v1/offers", query=query)["items"]
    if as_json:
        typer.echo(dumps(found))
        return
    table = Table(*("offer", "contact", "channel", "team", "agent", "now", "until"))
    for each in found:
        now, until = _now(each)
        table.add_row(
            str(each["id"]),
            str(each["contact_id"]),
            each["channel"],
            escape(each["team"]),
            escape(each["agent"]["name"]),
            now,
            until[11:19] if until else "",
        )
    LineConsole().print(table)


def offer(
    what: Annotated[Answer, typer.Argument(help="What becomes of it.")],
    offer_id: Annotated[int, typer.Argument(metavar="OFFER", help="The offer's id.", min=1)],
    *,
    agent: Annotated[str | None, typer.Option(help="accept, decline: who, to be checked.")] = None,
    reason: Reason = "",
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Answer an offer for its agent, take it back, report no answer; extend or finish a wrap-up."""
    if reason and what not in _REASONED:
        raise typer.BadParameter(f"{what} takes no reason", param_hint="--reason")
    if agent is not None and what not in (Answer.ACCEPT, Answer.DECLINE):
        raise typer.BadParameter(f"{what} takes no agent", param_hint="--agent")
    body = {name: value for name, value in (("reason", reason), ("agent", agent)) if value}
    found = ask(url, key, "POST", f"/v1/offers/{offer_id}/{what}", body=body)
    if as_json:
        typer.echo(dumps(found))
        return
    who, state = found["agent"]["name"], found["agent"]["state"].replace("_", " ")
    console = LineConsole()
    console.print(escape(f"Offer {offer_id}: {_now(found['offer'])[0]}, {who} is {state}"), highlight=False)
    if found["contact"] is not None:
        _say(found["contact"])


def _body(what: Act, verb: _Verb, value: str, *, reason: str) -> dict[str, Any]:
    """Return what is sent; raises BadParameter for what the verb does not take, or lacks."""
    if value and not verb.field:
        raise typer.BadParameter(f"{what} takes no value", param_hint="VALUE")
    if reason and not verb.reason:
        raise typer.BadParameter(f"{what} takes no reason", param_hint="--reason")
    if (verb.needed and not value) or (what is Act.PRIORITY and not value.isdecimal()):
        raise typer.BadParameter(f"{what} wants {verb.wants}", param_hint="VALUE")
    body: dict[str, Any] = {verb.field: int(value) if what is Act.PRIORITY else value} if value else {}
    return body | ({verb.reason: reason} if reason else {})


def _revoke(url: str, key: str, contact: int, body: dict[str, Any]) -> dict[str, Any]:
    """Take the pending offers of a contact back, or the one of an agent; return the contact then."""
    agent = body.pop("agent", None)
    found: dict[str, Any] = ask(url, key, "GET", f"/v1/contacts/{contact}")
    rings = [each for each in found.get("offers", ()) if agent in (None, each["agent"]["id"])]
    if not rings:
        where = "at nobody" if agent is None else f"not at {agent}"
        told = f"Contact {contact} rings {where} now: it is {found['state']}."
        LineConsole(stderr=True).print(escape(told), highlight=False)
        raise typer.Exit(1)
    for each in rings:
        found = ask(url, key, "POST", f"/v1/offers/{each['id']}/revoke", body=body)["contact"]
    return found


def _now(offer: dict[str, Any]) -> tuple[str, str | None]:
    """Return what an offer is now, and until when at most."""
    if offer["state"] != "accepted":
        return offer["state"], offer["expires_at"] if offer["state"] == "pending" else None
    if offer["talk_ended_at"] is not None:
        return "wrap-up", offer["wrap_up_until"]
    return "in conversation", None


def _say(found: dict[str, Any]) -> None:
    """Say where a contact stands."""
    asked = ", ".join(each["agent"]["name"] for each in found.get("offers", ()))
    place = f"place {found['position']} for {found['team']}" if found.get("position") else found["state"]
    text = f"Contact {found['id']}: {place}" + (f", {asked} is asked" if asked else "")
    LineConsole().print(escape(text), highlight=False)
