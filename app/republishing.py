"""What changes the policy in force by itself: a version more, whoever publishes at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from app.errors import InvalidPolicyError
from app.house import House
from routing import commands as cmd
from routing.policy import Policy

_TRIES: Final = 3


async def republish(
    house: House, actor: str, change: Callable[[Policy], Policy], *, reason: str = ""
) -> None:
    """Publish the policy in force as `change` makes it, unless it gives back the same value."""
    for attempt in range(_TRIES):
        now = await house.switchboard.read(lambda floor: floor.policy)
        new = change(now)
        if new is now:
            return
        numbered = msgspec.structs.replace(new, version=now.version + 1)
        command = cmd.PublishPolicy(actor=actor, policy=numbered, reason=reason)
        try:
            await house.switchboard.submit(command, lambda *_: None)
        except InvalidPolicyError:
            if attempt + 1 == _TRIES:
                raise
        else:
            return
