"""Callers who call at their time and hang up at the end of their patience, and agents who answer them.

They know only what the service tells them: offers come by its event stream, everything they do is a request
of the public API. All instants are the service's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from app.clock import Clock
from app.demonstration.api import Api, RefusedError, instant
from app.demonstration.stream import Place, follow
from routing.model import FINAL_CONTACT_STATES, LIVE_CHANNELS, Presence

KINDS: Final = (
    "contact_received",
    "contact_connected",
    "contact_ended",
    "offer_made",
    "agent_not_responding",
)
_GONE: Final = (404, 409)
"""Answers that mean: somebody else was first, which is no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A contact to come: what is posted at `at`, how long the talk and the wrap-up take, and the patience.

    `patience_s` is counted from when the service took the contact in; infinite for those who never hang up.
    """

    call_id: str
    at: float
    body: dict[str, Any]
    talk_s: float
    wrap_up_s: float = 0.0
    patience_s: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An agent's change of presence at an instant."""

    at: float
    agent_id: str
    presence: Presence
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How agents behave: mean seconds until they answer, shares of offers declined and not answered at all.

    `talk_s` is how long they talk on a contact that somebody else posted.
    """

    ring_s: float = 0.0
    decline_share: float = 0.0
    miss_share: float = 0.0
    talk_s: float = 180.0


@dataclass(slots=True)
class Ledger:
    """What the people did, and what the service told them; nothing of it comes from its figures."""

    posted: dict[int, str] = field(default_factory=dict)
    """Contacts the service took in (2xx): their id to the caller's."""
    ended: dict[int, str] = field(default_factory=dict)
    """Final states of those contacts, as the answers and the event stream told."""
    refused: list[str] = field(default_factory=list)
    """Calls the service did not take, with its words."""
    lags_s: list[float] = field(default_factory=list)
    """How late each call was posted, in seconds of the wall clock."""
    answer_ways_s: list[float] = field(default_factory=list)
    """How long after the agent's answer the service knew of it, in seconds of its clock."""
    completed: int = 0
    hung_up: int = 0
    missed: int = 0
    """Offers that ran out before the agent answered."""
    resumed: int = 0
    """How often the event stream broke and was resumed."""

    open: int = 0
    """Calls posted that have not ended yet."""


@dataclass(slots=True)
class _Call:
    caller: Caller
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the caller talks to somebody or the contact has ended."""


class People:
    """Callers and the agents `agent_ids` around one service; agents of others are left alone."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        *,
        agent_ids: Collection[str],
        ledger: Ledger,
        rng: random.Random,
        habits: Habits | None = None,
    ) -> None:
        self._api = api
        self._clock = clock
        self._agent_ids = frozenset(agent_ids)
        self._ledger = ledger
        self._rng = rng
        self._habits = habits or Habits()
        self._expected: dict[str, Caller] = {}
        self._waited_for: set[str] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._calls: dict[int, _Call] = {}
        self._presence: dict[str, Presence] = {}
        self._left_over: list[Coroutine[Any, Any, None]] = []
        self._tasks = asyncio.TaskGroup()
        self._idle = asyncio.Event()

    async def adopt(self) -> None:
        """Take over, in what follows, what an earlier run left: conversations to end, customers who wait.

        Of a conversation half is over; who waits on the phone or in a chat has a new caller's patience.
        """
        now, talk_s = self._clock.now(), self._habits.talk_s
        for offer in (await self._api.get("/v1/offers"))["items"]:
            if offer["agent"]["id"] not in self._agent_ids:
                continue
            if offer["state"] == "pending":
                known = {"id": offer["id"], "contact_id": offer["contact_id"], "made_at": now}
                self._left_over.append(self._answer(known))
            elif offer["talk_ended_at"] is None:
                talk = self._talk(offer["id"], offer["contact_id"], since=now - talk_s / 2)
                self._left_over.append(talk)
        async for contact in self._api.pages("/v1/contacts", state=["queued", "offered"], limit=200):
            patience_s = self._rng.expovariate(1 / talk_s)
            caller = Caller(
                call_id=f"left-{contact['id']}",
                at=now,
                body={},
                talk_s=talk_s,
                patience_s=patience_s if contact["channel"] in LIVE_CHANNELS else float("inf"),
            )
            call = self._known(contact["id"], caller)
            self._left_over.append(self._wait_patiently(contact["id"], call, since=now))

    async def live(self, callers: Iterable[Caller], turns: Iterable[Turn], *, drain_s: float = 0.0) -> None:
        """Let callers call and agents work until the last call has ended, at most `drain_s` after it came.

        Both are in the order of their time. Raises UnreachableError when the service goes away, RefusedError
        when it does not let us in.
        """
        try:
            await self._live(callers, turns, drain_s=drain_s)
        except BaseExceptionGroup as group:
            raise _first(group) from group

    async def _live(self, callers: Iterable[Caller], turns: Iterable[Turn], *, drain_s: float) -> None:
        place = Place((await self._api.get("/readyz"))["seq"])
        async with self._tasks as tasks:
            listening = tasks.create_task(self._listen(place))
            working = tasks.create_task(self._take_turns(turns))
            while self._left_over:
                self._start(self._left_over.pop())
            await self._call(callers)
            if not await self._drain(drain_s):
                for each in self._under_way:
                    each.cancel()
            working.cancel()
            while self._under_way:
                await asyncio.wait(self._under_way)
            listening.cancel()

    async def _call(self, callers: Iterable[Caller]) -> None:
        for caller in callers:
            await self._until(caller.at)
            self._waited_for.add(caller.call_id)
            self._ledger.open += 1
            self._start(self._make_call(caller))

    async def _make_call(self, caller: Caller) -> None:
        self._ledger.lags_s.append(max(self._clock.now() - caller.at, 0.0) / self._clock.speed)
        self._expected[caller.call_id] = caller
        try:
            contact = await self._api.send(
                "POST", "/v1/contacts", caller.body | {"call_id": caller.call_id}, key=caller.call_id
            )
        except RefusedError as error:
            self._ledger.refused.append(f"{caller.call_id}: {error}")
            self._expected.pop(caller.call_id, None)
            self._over(caller.call_id)
            return
        call = self._known(contact["id"], caller)
        self._ledger.posted[contact["id"]] = caller.call_id
        if contact["state"] in FINAL_CONTACT_STATES:
            self._end(contact["id"], contact["state"])
        await self._wait_patiently(contact["id"], call, since=instant(contact["received_at"]))

    async def _wait_patiently(self, contact_id: int, call: _Call, *, since: float) -> None:
        if call.caller.patience_s == float("inf"):
            return
        due = since + call.caller.patience_s
        try:
            async with asyncio.timeout(self._clock.real_s(due - self._clock.now())):
                await call.settled.wait()
        except TimeoutError:
            if call.settled.is_set():
                return
            left = await self._try("POST", f"/v1/contacts/{contact_id}/abandon", key=f"leave {contact_id}")
            self._ledger.hung_up += left is not None and left["state"] == "abandoned"

    async def _listen(self, place: Place) -> None:
        hear: dict[str, Callable[[dict[str, Any]], None]] = {
            "contact_received": self._heard_received,
            "contact_connected": self._heard_connected,
            "contact_ended": lambda event: self._end(event["contact_id"], event["state"]),
            "offer_made": lambda event: self._heard_offer(event["offer"]),
            "agent_not_responding": self._heard_missed,
        }
        async for event in follow(self._api, place, KINDS):
            self._ledger.resumed = place.resumed
            hear[event["kind"]](event)

    def _heard_received(self, event: dict[str, Any]) -> None:
        caller = self._expected.get(event.get("source_id") or "")
        if caller is not None:
            self._known(event["contact"]["id"], caller)

    def _heard_connected(self, event: dict[str, Any]) -> None:
        call = self._calls.get(event["contact_id"])
        if call is not None:
            call.settled.set()

    def _heard_offer(self, offer: dict[str, Any]) -> None:
        if offer["agent_id"] in self._agent_ids:
            self._start(self._answer(offer))

    def _heard_missed(self, event: dict[str, Any]) -> None:
        if event["agent_id"] in self._agent_ids:
            self._ledger.missed += 1
            self._start(self._come_back(event["agent_id"]))

    async def _answer(self, offer: dict[str, Any]) -> None:
        habits, chance = self._habits, self._rng.random()
        answer_at = offer["made_at"] + habits.ring_s * self._rng.uniform(0.5, 1.5)
        await self._until(answer_at)
        if chance < habits.miss_share:
            return
        if chance < habits.miss_share + habits.decline_share:
            refusal = {"reason": "busy with something else"}
            await self._try("POST", f"/v1/offers/{offer['id']}/decline", refusal, key=f"no {offer['id']}")
            return
        taken = await self._try("POST", f"/v1/offers/{offer['id']}/accept", key=f"accept {offer['id']}")
        if taken is not None:
            self._ledger.answer_ways_s.append(instant(taken["offer"]["accepted_at"]) - answer_at)
            await self._talk(offer["id"], offer["contact_id"], since=answer_at)

    async def _talk(self, offer_id: int, contact_id: int, *, since: float) -> None:
        """Talk for the caller's time and wrap up; the way of the answer counts, or agents would be slowed."""
        call = self._calls.get(contact_id)
        if call is not None:
            call.settled.set()
        talk_s = call.caller.talk_s if call is not None else self._habits.talk_s
        wrap_up_s = call.caller.wrap_up_s if call is not None else 0.0
        await self._until(since + talk_s)
        contact = await self._try("POST", f"/v1/contacts/{contact_id}/complete", key=f"done {offer_id}")
        if contact is None:
            return
        self._ledger.completed += 1
        if contact["state"] == "wrap_up":
            await self._until(self._clock.now() + wrap_up_s)
            await self._try("POST", f"/v1/offers/{offer_id}/finish-wrap-up", key=f"free {offer_id}")

    async def _take_turns(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            await self._until(turn.at)
            self._presence[turn.agent_id] = turn.presence
            self._start(self._set_presence(turn.agent_id, turn.presence, turn.reason))

    async def _come_back(self, agent_id: str) -> None:
        """An agent who missed an offer says within seconds that he is there, unless he has left."""
        await self._until(self._clock.now() + 5.0)
        await self._set_presence(agent_id, self._presence.get(agent_id, Presence.OFFLINE), "back")

    async def _set_presence(self, agent_id: str, presence: Presence, reason: str) -> None:
        body = {"presence": presence, "reason": reason}
        await self._api.send("PUT", f"/v1/agents/{agent_id}/presence", body)

    async def _try(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str
    ) -> dict[str, Any] | None:
        """Send; return None where somebody else was first."""
        try:
            answer: dict[str, Any] = await self._api.send(method, path, body, key=key)
        except RefusedError as error:
            if error.status not in _GONE:
                raise
            return None
        return answer

    def _known(self, contact_id: int, caller: Caller) -> _Call:
        """Return the call behind a contact; the stream may have told of it before the answer did."""
        call = self._calls.get(contact_id)
        if call is None:
            call = self._calls[contact_id] = _Call(caller)
        self._expected.pop(caller.call_id, None)
        return call

    def _end(self, contact_id: int, state: str) -> None:
        call = self._calls.pop(contact_id, None)
        if call is not None:
            call.settled.set()
            self._ledger.ended[contact_id] = state
            self._over(call.caller.call_id)

    def _over(self, call_id: str) -> None:
        if call_id in self._waited_for:
            self._waited_for.discard(call_id)
            self._ledger.open -= 1
            self._idle.set()

    async def _drain(self, drain_s: float) -> bool:
        """Wait until every call has ended; return False when that took longer than `drain_s`."""
        try:
            async with asyncio.timeout(self._clock.real_s(drain_s)):
                while self._waited_for:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _until(self, at: float) -> None:
        await asyncio.sleep(self._clock.real_s(at - self._clock.now()))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what went wrong first; the rest only followed from it."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
