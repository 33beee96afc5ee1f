"""A staffing run, step by step: history, forecast, requirement, roster. Start at `runs.py`."""
