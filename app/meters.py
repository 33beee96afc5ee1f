"""What the service measures of itself, for Prometheus; described in docs/metrics.md."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

BATCHES: Final = Counter("rondo_batches", "Transactions of the switchboard, by outcome.", ["outcome"])
COMMANDS: Final = Counter("rondo_commands", "Commands carried out or refused.", ["outcome"])
EVENTS: Final = Counter("rondo_events", "Events appended to the log by this process.")
BATCH_S: Final = Histogram(
    "rondo_batch_seconds",
    "From taking a batch to its commit (s).",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
FOLLOWS: Final = Gauge("rondo_follows", "Whether calls are passed on to the replica that decides (1 or 0).")
HANDED_OVER: Final = Counter(
    "rondo_connections_handed_over_total", "Connections given to the replica that decides on this machine."
)
WAITING_COMMANDS: Final = Gauge("rondo_waiting_commands", "Commands that wait for the next batch.")
QUEUE_WAITING: Final = Gauge("rondo_queue_waiting", "Contacts that wait, by team.", ["team"])
QUEUE_LONGEST_S: Final = Gauge(
    "rondo_queue_longest_wait_seconds", "Longest wait now (s), most urgent channel, by team.", ["team"]
)
QUEUE_CHANNEL_LONGEST_S: Final = Gauge(
    "rondo_queue_channel_longest_wait_seconds",
    "Longest wait now (s), by team and channel.",
    ["team", "channel"],
)
QUEUE_LEVEL: Final = Gauge("rondo_queue_service_level", "Service level of the day, by team.", ["team"])
AGENTS: Final = Gauge("rondo_agents", "Available agents by what they do, by team.", ["team", "state"])
