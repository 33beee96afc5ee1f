"""Pure core: who gets which contact. No I/O, no clock, no framework."""
