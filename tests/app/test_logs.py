"""Logs on standard error."""

from __future__ import annotations

import io
import json
import sys

import pytest
import structlog

from app import logs


@pytest.fixture(autouse=True)
def fresh_structlog() -> None:
    structlog.reset_defaults()


def test_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info")
    structlog.get_logger().info("run_done", run_id=7)
    told = json.loads(capsys.readouterr().err)
    assert (told["event"], told["run_id"], told["level"]) == ("run_done", 7, "info")


def test_nothing_is_written_below_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("error")
    structlog.get_logger().info("run_done")
    assert capsys.readouterr().err == ""


def test_logging_goes_on_when_standard_error_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.set_up("info")
    log = structlog.get_logger()
    closed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    log.info("before")
    closed.close()
    log.error("after", exc_info=ValueError("nobody reads this"))
    monkeypatch.setattr(sys, "stderr", now := io.StringIO())
    log.info("again")
    assert "again" in now.getvalue()
