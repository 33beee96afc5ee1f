"""Structured logs: an event name and keys, JSON lines; never a phone number or a name."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

import structlog


class _StandardError:
    """Writes lines to what standard error is now; one that nobody reads any more stops no service."""

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def set_up(level: str) -> None:
    """Send structlog's events to standard error as JSON lines from `level` on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(number, logging.WARNING), format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _StandardError(),
    )
