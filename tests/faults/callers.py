"""Many callers at once, who write down what they were told: nobody believes anything but an answer."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Told:
    """A request with its Idempotency-Key, and the answer; `status` None where none came."""

    path: str
    body: Any
    key: str
    status: int | None = None
    content: bytes = b""
    headers: Any = None


@dataclass
class Callers:
    """Callers and agents who go on until `stop`, each keeping to the order of a real call."""

    client: httpx.AsyncClient
    name: str
    told: list[Told] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    stop: bool = False
    yes_wanted: int = 150
    _said_yes: int = 0
    _numbers: Any = field(default_factory=itertools.count)

    @property
    def yes(self) -> list[Told]:
        """What was answered with 2xx."""
        return [each for each in self.told if each.status is not None and each.status < 300]

    @property
    def unanswered(self) -> list[Told]:
        """What may or may not have been done."""
        return [each for each in self.told if each.status is None]

    def want_more(self, count: int) -> None:
        """Clear `enough` until `count` more requests were answered with 2xx."""
        self.yes_wanted = self._said_yes + count
        self.enough.clear()

    async def run(self, callers: int) -> None:
        """Have `callers` of them make one call after the other until `stop`."""
        await asyncio.gather(*(self._caller() for _ in range(callers)))

    async def _caller(self) -> None:
        while not self.stop:
            number = next(self._numbers)
            body = {
                "channel": "voice",
                "from": {"phone": f"+4420794{number % 50:05d}"},
                "text": f"no {number}",
            }
            received = await self._post("/v1/contacts", body)
            if received is None:
                continue
            contact = f"/v1/contacts/{received['id']}"
            if not received["offers"] or number % 5 == 0:
                await self._post(f"{contact}/abandon", None)
                continue
            offer = f"/v1/offers/{received['offers'][0]['id']}"
            if await self._post(f"{offer}/accept", None) and await self._post(f"{contact}/complete", None):
                await self._post(f"{offer}/finish-wrap-up", None)

    async def _post(self, path: str, body: Any) -> Any:
        one = Told(path, body, f"{self.name}-{len(self.told)}")
        self.told.append(one)
        try:
            answer = await self.client.post(path, json=body, headers={"Idempotency-Key": one.key})
        except httpx.TransportError:
            await asyncio.sleep(0.2)
            return None
        one.status, one.content, one.headers = answer.status_code, answer.content, answer.headers
        if not answer.is_success:
            await asyncio.sleep(0.2)
            return None
        self._said_yes += 1
        if self._said_yes >= self.yes_wanted:
            self.enough.set()
        return answer.json()


async def repeat(client: httpx.AsyncClient, wanted: list[Told]) -> list[httpx.Response]:
    """Ask again with the same keys, some at once; return the answers in order."""
    answers: list[httpx.Response] = []
    for start in range(0, len(wanted), 32):
        asked = (
            client.post(one.path, json=one.body, headers={"Idempotency-Key": one.key})
            for one in wanted[start : start + 32]
        )
        answers += await asyncio.gather(*asked)
    return answers
