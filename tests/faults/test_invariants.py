"""The promises of the product through the running service: random callers, agents and leads over HTTP."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from app.db import floor_rows
from app.settings import Settings
from routing.commands import Tick
from routing.events import FloorEvent
from routing.model import WAITING_STATES, Contact
from routing.policy import Step
from tests.app.conftest import Service, furnish, running
from tests.builders import make_agent, make_team
from tests.faults.truth import check, read_truth

TEAMS = (
    make_team(
        "general",
        steps=(Step(after_s=30.0, teams=("complaints",)), Step(after_s=200.0, overflow_to="complaints")),
        max_waiting=8,
    ),
    make_team("complaints", broadcast=2),
)
AGENTS = [
    make_agent("ann", teams=("general", "complaints")),
    make_agent("bob", teams=("general",), languages=("en", "de"), skills={"billing": 3}),
    make_agent("cat", teams=("complaints",), capacity=200),
]
VERBS = (
    "complete",
    "abandon",
    "cancel",
    "transfer",
    "take-back",
    "callback",
    "callback-missed",
    "priority",
    "move",
    "assign",
)
FITTING = {
    "queued": ("abandon", "abandon", "callback", "priority", "move", "assign", "cancel", "take-back"),
    "offered": ("abandon", "callback", "take-back", "priority"),
    "connected": ("complete", "complete", "complete", "transfer", "transfer", "abandon"),
    "passed on": ("take-back", "take-back", "take-back", "abandon"),
    "called back": ("complete", "callback-missed", "callback-missed"),
}
NUMBERS = [f"+44 20 7946 {n:04d}" for n in range(6)]
CHANNELS = ["voice", "voice", "voice", "chat", "email", "callback"]


@dataclass
class Traffic:
    """Draws what somebody does next from what the service has told so far, and remembers the answers."""

    service: Service
    chance: random.Random
    contacts: list[int] = field(default_factory=list)
    offers: list[int] = field(default_factory=list)
    tickets: list[int] = field(default_factory=list)
    customers: list[int] = field(default_factory=list)
    merged: list[int] = field(default_factory=list)
    states: dict[int, str] = field(default_factory=dict)
    pending: list[int] = field(default_factory=list)
    wrapping: list[int] = field(default_factory=list)
    keyed: dict[str, tuple[Any, bytes]] = field(default_factory=dict)

    def draw(self) -> tuple[str, str, Any, dict[str, str]]:
        """Return method, path, body and headers of the next request."""
        pick = self.chance.choice
        stand = pick(sorted({*self.states.values(), ""}))
        contact = self._one([each for each, at in self.states.items() if at == stand], self.contacts)
        agent, team = pick(["ann", "bob", "cat"]), pick(["general", "complaints"])
        kind = pick(
            [*["receive"] * 5, *["offer"] * 6, *["contact"] * 6, *["presence"] * 3, "ticket", "put", "merge"]
        )
        headers: dict[str, str] = {}
        if self.chance.random() < 0.3:
            headers["Idempotency-Key"] = f"key-{self.chance.randrange(10**9)}"
        if kind == "receive":
            return "POST", "/v1/contacts", self._new_contact(team, agent), headers
        if kind == "offer":
            verb = pick(
                ["accept"] * 5
                + ["decline", "no-answer", "finish-wrap-up", "extend-wrap-up", "extend-wrap-up"]
            )
            fitting = self.wrapping if "wrap-up" in verb else self.pending
            return "POST", f"/v1/offers/{self._one(fitting, self.offers)}/{verb}", None, headers
        if kind == "presence":
            if self.chance.random() < 0.2:
                return "POST", f"/v1/agents/{agent}/{pick(['drain', 'heartbeat', 'heartbeat'])}", None, {}
            presence = pick(["available"] * 6 + ["break", "offline", "meal"])
            body = {"presence": presence, "at_once": self.chance.random() < 0.1}
            return "PUT", f"/v1/agents/{agent}/presence", body, headers
        if kind == "ticket":
            state = pick(["open", "waiting_customer", "resolved", "closed"])
            body = pick([{"state": state}, {"owner": agent}, {"state": state, "owner": "lead"}])
            return "PATCH", f"/v1/tickets/{self._recent(self.tickets)}", body, {}
        if kind == "put":
            body = {"name": "Bob", "teams": pick([["general"], ["general", "complaints"]])}
            return "PUT", "/v1/agents/bob", body, {}
        if kind == "merge":
            one, other = self._recent(self.customers), self._recent(self.customers)
            if self.chance.random() < 0.2:
                return "PATCH", f"/v1/customers/{one}", {"segment": pick(["gold", None])}, {}
            if self.chance.random() < 0.4:
                return "POST", f"/v1/customers/{self._one(self.merged, self.customers)}/split", {}, {}
            return "POST", f"/v1/customers/{one}/merge", {"customer_id": other}, {}
        verb = pick(FITTING.get(self.states.get(contact, ""), VERBS) if self.chance.random() < 0.8 else VERBS)
        return "POST", f"/v1/contacts/{contact}/{verb}", self._body(verb, team, agent), headers

    def _body(self, verb: str, team: str, agent: str) -> Any:
        pick = self.chance.choice
        match verb:
            case "complete":
                return {"ticket": pick(["resolved", "waiting_customer", "open"])}
            case "transfer":
                return pick([{"team": team}, {"team": team, "warm": True}, {"agent": agent, "warm": True}])
            case "priority":
                return {"priority": self.chance.randrange(6)}
            case "move":
                return {"team": team}
            case "assign":
                return {"agent": agent}
        return None

    async def look(self) -> None:
        """See what stands on the floor, so that most of what is asked for next makes sense."""
        view = lambda floor: (  # noqa: E731
            {each.id: _stand(each) for each in floor.contacts.values()},
            [each.id for each in floor.offers.values() if each.state == "pending"],
            [each.id for each in floor.offers.values() if each.talk_ended_at is not None],
        )
        self.states, self.pending, self.wrapping = await self.service.house.switchboard.read(view)

    async def send(self, client: httpx.AsyncClient, request: tuple[str, str, Any, dict[str, str]]) -> None:
        """Send one request; the answer is a yes or a clear no, and the same again for the same key."""
        method, path, body, headers = request
        answer = await client.request(method, path, json=body, headers=headers)
        assert answer.status_code < 500, (request, answer.text)
        if not answer.is_success:
            assert answer.headers["content-type"] == "application/problem+json", (request, answer.text)
            return
        if "Idempotency-Key" in headers:
            self.keyed[headers["Idempotency-Key"]] = (request, answer.content)
        if path.endswith("/merge"):
            self.merged.append(body["customer_id"])
        self._learn(answer.json())

    def _learn(self, told: dict[str, Any]) -> None:
        contact = told.get("contact", told)
        if contact is not None and "ticket_id" in contact:
            self.contacts.append(contact["id"])
            self.tickets.append(contact["ticket_id"])
            self.customers.append(contact["customer_id"])
            self.offers += [each["id"] for each in contact["offers"]]
        self.offers += told.get("offers", []) if "capacity" in told else []

    def _one(self, fitting: list[int], ever: list[int]) -> int:
        return self._recent(fitting if fitting and self.chance.random() < 0.85 else ever)

    def _recent(self, ids: list[int]) -> int:
        return self.chance.choice(ids[-12:]) if ids else 1

    def _new_contact(self, team: str, agent: str) -> dict[str, Any]:
        chance = self.chance
        body: dict[str, Any] = {"channel": chance.choice(CHANNELS)}
        if chance.random() < 0.8:
            body["from"] = {"phone": chance.choice(NUMBERS)}
            if chance.random() < 0.2:
                body["from"]["name"] = chance.choice(["Ada", "Bea"])
            if chance.random() < 0.1:
                body["from"]["external_id"] = chance.choice(["C-1", "C-2"])
        wishes = {"team": team, "preferred_agent": agent, "priority": chance.randrange(6)}
        body |= {name: value for name, value in wishes.items() if chance.random() < 0.3}
        if self.tickets and chance.random() < 0.1:
            body["ticket_id"] = self._recent(self.tickets)
        return body


def _stand(contact: Contact) -> str:
    if contact.state in WAITING_STATES and contact.offer_id is not None:
        return "passed on"
    if contact.state == "connected" and contact.channel == "callback":
        return "called back"
    return str(contact.state)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, worker="off", scheduler=False, log_level="error", batch_size=4)


async def drive(traffic: Traffic, client: httpx.AsyncClient, *, rounds: int) -> None:
    """Have up to eight things at once happen in each round, with time passing between some rounds."""
    chance, house = traffic.chance, traffic.service.house
    for _ in range(rounds):
        await traffic.look()
        wanted = [traffic.draw() for _ in range(chance.randrange(1, 9))]
        await asyncio.gather(*(traffic.send(client, each) for each in wanted))
        if chance.random() < 0.3:
            house.clock._start += chance.choice([1.0, 7.0, 25.0, 130.0, 700.0])
            await house.switchboard.submit(Tick(), lambda *_: None)


@pytest.mark.parametrize("seed", range(3))
async def test_rows_log_and_figures_agree_after_any_traffic(settings: Settings, seed: int) -> None:
    async with running(settings) as service:
        await furnish(service.house, *AGENTS, teams=TEAMS, heartbeat_s=3600.0)
        traffic = Traffic(service, random.Random(seed))
        async with service.client() as client:
            await drive(traffic, client, rounds=90)
            seen = await service.house.switchboard.read(lambda floor: floor.snapshot())
            truth = await service.house.database.tx(read_truth)
            check(truth)
            assert truth.floor == seen
            for (method, path, body, headers), content in traffic.keyed.values():
                again = await client.request(method, path, json=body, headers=headers)
                assert (again.is_success, again.content) == (True, content)
            assert await service.house.database.read(floor_rows.read_head) == len(truth.seqs)


async def test_every_kind_of_event_happens_in_the_traffic(tmp_path: Path, migrated_sqlite: bytes) -> None:
    """The property above is worth as much as what its traffic makes happen."""
    path = tmp_path / "rondo.sqlite3"
    path.write_bytes(migrated_sqlite)
    settings = Settings(database_url=f"sqlite:///{path}", worker="off", scheduler=False, log_level="error")
    async with running(settings) as service:
        await furnish(service.house, *AGENTS, teams=TEAMS, heartbeat_s=3600.0)
        traffic = Traffic(service, random.Random(7))
        missing = set(get_args(FloorEvent))
        async with service.client() as client:
            for _ in range(20):
                await drive(traffic, client, rounds=60)
                truth = await service.house.database.tx(read_truth)
                missing -= {type(event) for event in truth.events}
                if not missing:
                    break
    check(truth)
    assert missing == set()
