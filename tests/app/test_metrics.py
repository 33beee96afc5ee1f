"""Figures for Prometheus."""

from __future__ import annotations

import httpx

from tests.app.test_contacts import CALL, post


async def test_metrics_show_what_waits(client: httpx.AsyncClient) -> None:
    await post(client, "/v1/contacts", CALL)
    text = (await client.get("/metrics")).text
    assert 'rondo_queue_waiting{team="general"} 1.0' in text
    assert "rondo_batch_seconds_count" in text
