"""Simulation: `replications.simulate` runs traffic and staff through `routing.decide`. Start there."""
