"""Imperative shell: clock, SQL, HTTP, phones, processes around the two pure cores."""
