"""Connections handed over between replicas on one machine: the decider answers their callers itself.

A hot call that comes to a replica which follows costs both of them when it is passed on. On one machine the
kernel moves the whole connection instead: its descriptor goes to the decider with what has been read of it,
and from then on the follower has nothing to do with it. Both ends are abstract Unix sockets, which vanish
with their process; the kernel tells who is at the other end, who also has to know the decider's token.
See docs/adr/0011.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import socket
import struct
import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from app import meters

log = structlog.get_logger()

_READ_MAX: Final = 64 * 1024
"""Bytes read of a connection that go with it; where more were, it stays."""
_AT_ONCE: Final = 16
"""Connections taken in one turn of the loop."""
_GUESTS_MAX: Final = 100
_REST_S: Final = 1.0
"""How long nothing is taken where no descriptor is to be had."""
_CREDENTIALS: Final = "3i"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NETWORK: Final = Path("/proc/self/ns/net")
_RIGHTS: Final = socket.CMSG_SPACE(array("i").itemsize) if sys.platform == "linux" else 0
_OURS_ALONE: Final = socket.MSG_CMSG_CLOEXEC if sys.platform == "linux" else 0
"""No child process inherits a connection: it would keep it open."""


def machine() -> int | None:
    """Return a number of processes that reach each other by abstract sockets; None where none do."""
    try:
        known = f"{_BOOT.read_text()}{_NETWORK.stat().st_ino}"
    except OSError:
        return None
    digest = hashlib.blake2b(known.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def listening(name: str, kind: socket.SocketKind) -> socket.socket:
    """Return an abstract Unix socket that listens; raises OSError."""
    made = socket.socket(socket.AF_UNIX, kind)
    try:
        made.setblocking(False)
        made.bind(f"\0{name}")
        made.listen(_GUESTS_MAX)
    except BaseException:
        made.close()
        raise
    return made


def connected(name: str, kind: socket.SocketKind) -> socket.socket:
    """Return a connection to an abstract Unix socket of this user's; raises OSError."""
    made = socket.socket(socket.AF_UNIX, kind)
    try:
        made.setblocking(False)
        made.connect(f"\0{name}")
        if not is_ours(made):
            raise PermissionError("another user's process listens there")
    except BaseException:
        made.close()
        raise
    return made


def is_ours(one: socket.socket) -> bool:
    """Return whether the process at the other end runs as this one's user."""
    told = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_CREDENTIALS))
    return bool(struct.unpack(_CREDENTIALS, told)[1] == os.geteuid())


def _room(here: int) -> bool:
    """Return whether another descriptor is to be had; else the kernel drops what a message brings."""
    try:
        os.close(os.dup(here))
    except OSError:
        return False
    return True


Welcome = Callable[[socket.socket, bytes], None]
"""Takes a connection and what was read of it."""


class Door:
    """The decider's side; `welcome` gets each connection that comes from someone who knows the token."""

    def __init__(self, name: str, token: str, welcome: Welcome) -> None:
        self._token = token.encode()
        self._welcome = welcome
        self._loop = asyncio.get_running_loop()
        self._guests: dict[socket.socket, bool] = {}
        """Who has come, and whether they have shown the token."""
        self._socket = listening(name, socket.SOCK_SEQPACKET)
        self._watch(self._socket)

    @property
    def guests(self) -> int:
        """How many replicas may hand something over."""
        return len(self._guests)

    def shut(self) -> None:
        """Let nobody else in; whoever has come by now may still hand over."""
        while self._let_in():
            pass
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def close(self) -> None:
        """Let nobody in any more, and send away who is here."""
        for each in (*self._guests, self._socket):
            if each.fileno() >= 0:
                self._loop.remove_reader(each)
                each.close()
        self._guests.clear()

    def _let_in(self) -> bool:
        """Let one in, or send it away; False where nobody waits or nobody can be let in."""
        try:
            guest, _ = self._socket.accept()
        except BlockingIOError:
            return False
        except OSError:
            self._rest(self._socket)
            return False
        if len(self._guests) >= _GUESTS_MAX or not is_ours(guest):
            guest.close()
            return True
        guest.setblocking(False)
        self._guests[guest] = False
        self._watch(guest)
        return True

    def _watch(self, one: socket.socket) -> None:
        if one is not self._socket:
            self._loop.add_reader(one, partial(self._take, one))
        elif one.fileno() >= 0:
            self._loop.add_reader(one, self._let_in)

    def _rest(self, one: socket.socket) -> None:
        """Leave it alone for a while: where a descriptor can't be taken, its connection would be lost."""
        self._loop.remove_reader(one)
        self._loop.call_later(_REST_S, self._rested, one)

    def _rested(self, one: socket.socket) -> None:
        if one is self._socket or one in self._guests:
            self._watch(one)

    def _take(self, guest: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if not _room(guest.fileno()):
                self._rest(guest)
                return
            try:
                data, more, flags, _ = guest.recvmsg(_READ_MAX, _RIGHTS, _OURS_ALONE)
            except BlockingIOError:
                return
            except OSError:
                data, more, flags = b"", [], 0
            brought = [each for _, _, raw in more for each in array("i", raw)]
            if not self._accepts(guest, data, brought, flags):
                for each in brought:
                    os.close(each)
                self._send_away(guest)
                return

    def _accepts(self, guest: socket.socket, data: bytes, brought: list[int], flags: int) -> bool:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            return False
        if not self._guests[guest]:
            self._guests[guest] = not brought and hmac.compare_digest(data, self._token)
            return self._guests[guest]
        if len(brought) != 1 or not data:
            return False
        try:
            connection = socket.socket(fileno=brought[0])
        except OSError:
            # No socket at all.
            return False
        self._welcome(connection, data)
        return True

    def _send_away(self, guest: socket.socket) -> None:
        self._guests.pop(guest, None)
        self._loop.remove_reader(guest)
        guest.close()


class Passage:
    """A follower's side; raises OSError where no door of this user's is open on this machine."""

    def __init__(self, name: str, token: str) -> None:
        self._socket = connected(name, socket.SOCK_SEQPACKET)
        self._socket.send(token.encode())
        self.open = True

    def hand_over(self, transport: asyncio.Transport, data: bytes) -> bool:
        """Give a connection away with what was read of it; False, with nothing done, where it has to stay."""
        if len(data) > _READ_MAX or transport.is_closing() or transport.get_write_buffer_size():
            return False
        if not self.open or transport.get_extra_info("sslcontext") is not None:
            return False
        given = transport.get_extra_info("socket")
        try:
            socket.send_fds(self._socket, [data], [given.fileno()])
        except BlockingIOError:
            return False
        except OSError as error:
            log.warning("hand_over_failed", error=type(error).__name__)
            self.close()
            return False
        meters.HANDED_OVER.inc()
        # The descriptor is closed, the connection lives on at the other end.
        transport.abort()
        return True

    def close(self) -> None:
        """Hand nothing over any more; what was is still taken."""
        if self.open:
            self.open = False
            with suppress(OSError):
                self._socket.close()
