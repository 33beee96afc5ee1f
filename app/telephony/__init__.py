"""Telephony systems behind one protocol."""
