"""The parts of a roster's making: values, rules, cover, search, conflicts, checks."""
