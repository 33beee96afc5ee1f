"""Pure core: how many people, and when. No I/O, no clock, no framework."""
