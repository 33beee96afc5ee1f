"""Simulated callers and agents, who use a running service from outside, over its public HTTP API."""
