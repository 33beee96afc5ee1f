"""The documentation tells the truth: everything it must name is there, everything it names exists.

A test about a part of the code that is not there is skipped, and applies from the day it is.
"""

import enum
import importlib
import importlib.util
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import ROOT, tracked_files

# The words of the product, in the glossary's order.
WORDS = """
contact, segment, ticket, customer, owner, offer, assignment, agent, team, lead, queue, skill, skill level,
capacity, presence, state, policy, step, overflow, decision record, floor, command, event, switchboard,
handoff, interface, interface contract, process, process owner, project group, goodwill,
talk, hold, wrap-up, handle time, patience, offered, answered, abandoned, short abandon, service level, ASA,
abandonment, occupancy, estimated wait, interval, volume, load, shrinkage, requirement, shift, coverage,
roster, adherence
"""
STATES = {
    "contact": "received scheduled queued offered connected wrap_up"
    " completed abandoned cancelled expired rejected converted",
    "offer": "pending accepted declined expired revoked",
    "agent": "idle offered busy wrap_up not_responding",
    "presence": "available break meal training offline",
    "ticket": "open waiting_customer waiting_internal resolved closed",
    "handoff": "proposed accepted returned expired withdrawn",
}
MARKDOWN = [path for path in tracked_files() if path.endswith(".md")]
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")


def test_every_word_is_defined_in_the_glossary() -> None:
    words = {word.strip() for word in WORDS.replace("\n", " ").split(",")}
    assert words - set(defined_words()) == set()


def test_no_word_is_defined_twice() -> None:
    assert [word for word, times in Counter(defined_words()).items() if times > 1] == []


@pytest.mark.parametrize("subject", STATES)
def test_every_state_is_explained_in_the_glossary(subject: str) -> None:
    assert sorted(states_in_glossary(subject)) == sorted(STATES[subject].split())


def test_glossary_knows_every_state_of_the_code() -> None:
    known = {state for subject in STATES for state in states_in_glossary(subject)}
    named: list[tuple[str, Any]] = list(vars(module("routing.model")).items())
    enums = [
        kind
        for name, kind in named
        if name.endswith(("State", "Presence")) and isinstance(kind, enum.EnumMeta)
    ]
    states = {state.value for kind in enums for state in list[Any](kind)}
    assert states - known == set()


def test_every_setting_is_documented() -> None:
    settings = module("app.settings").Settings.model_fields
    assert_named("docs/settings.md", (f"RONDO_{name.upper()}" for name in settings))


def test_every_documented_setting_exists() -> None:
    settings = {f"RONDO_{name.upper()}" for name in module("app.settings").Settings.model_fields}
    assert set(re.findall(r"RONDO_[A-Z0-9_]+\b", document("docs/settings.md"))) - settings == set()


def test_every_problem_is_documented() -> None:
    base = module("app.errors").AppError
    import_everything("app")
    assert_named("docs/problems.md", (kind.slug for kind in subclasses(base) if getattr(kind, "slug", None)))


def test_every_metric_of_the_service_is_documented() -> None:
    module("app.main")
    import_everything("app")
    import prometheus_client

    families = [family for family in prometheus_client.REGISTRY.collect() if family.name.startswith("rondo_")]
    total = {"counter": "_total"}
    assert_named("docs/metrics.md", (family.name + total.get(family.type, "") for family in families))


@pytest.mark.parametrize("title", ["Follow a call", "Follow a roster"])
def test_reading_path_leads_through_files_that_exist(title: str) -> None:
    section = re.search(rf"(?ms)^(?:#+ |\*\*)?{title}.*?(?=^#|\Z|^\*\*|^Follow )", document("README.md"))
    assert section, f"README.md has no '{title}'"
    paths = re.findall(r"`((?:app|routing|staffing)/[\w/]+\.py)`", section.group())
    assert len(paths) >= 5
    assert [path for path in paths if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("path", MARKDOWN)
def test_links_between_documents_resolve(path: str) -> None:
    here = (ROOT / path).parent
    assert [link for link in LINK.findall(prose(path)) if not (here / link).exists()] == []


@pytest.mark.parametrize("path", MARKDOWN)
def test_make_targets_in_documents_exist(path: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", document("Makefile")))
    assert set(commands(path, "make")) - targets == set()


@pytest.mark.parametrize("path", MARKDOWN)
def test_rondo_commands_in_documents_exist(path: str) -> None:
    used = set(commands(path, "rondo"))
    if not used:
        return
    assert used - set(rondo_commands()) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run `make demo`, then", ["demo"]),
        ("```sh\nmake test ARGS=x\ncd a && make check\n```", ["test", "check"]),
        ("to make sense", []),
        ("`rondo serve`", []),
    ],
)
def test_commands_are_taken_from_code_alone(text: str, found: list[str]) -> None:
    assert commands_in(text, "make") == found


def document(path: str) -> str:
    """Return the text of a document, or skip the test as long as it is not there."""
    if not (ROOT / path).is_file():
        pytest.skip(f"{path} is not written yet")
    return (ROOT / path).read_text()


def prose(path: str) -> str:
    return re.sub(r"(?s)```.*?```|`[^`\n]*`", "", document(path))


def defined_words() -> list[str]:
    return re.findall(r"(?m)^- \*\*(.+?)\*\*", document("docs/glossary.md"))


def states_in_glossary(subject: str) -> list[str]:
    row = re.search(rf"(?m)^\| {subject} \|(.*)\|$", document("docs/glossary.md"))
    assert row, f"no row for {subject}"
    return re.findall(r"`(\w+)`", row.group(1))


def commands(path: str, program: str) -> list[str]:
    return commands_in(document(path), program)


def commands_in(text: str, program: str) -> list[str]:
    """Return the first argument of every call of `program` in code spans and code blocks."""
    blocks = re.findall(r"(?s)```[a-z]*\n(.*?)```", text)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"(?s)```.*?```", "", text))
    call = re.compile(rf"(?m)(?:^|[;&|]\s*|\$ |\.venv/bin/){program}((?: +[\w-]+=\S+)*) +([a-z][a-z-]*)")
    return [match.group(2) for code in blocks + spans for match in call.finditer(code)]


def rondo_commands() -> Iterator[str]:
    import typer

    yield from getattr(typer.main.get_command(module("app.cli").app), "commands", {})


def module(name: str) -> Any:
    """Return a module, or skip the test as long as it is not there."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not written yet")
    return importlib.import_module(name)


def import_everything(package: str) -> list[str]:
    """Import all modules of a package and return their names."""
    paths = importlib.import_module(package).__path__
    names = [info.name for info in pkgutil.walk_packages(paths, f"{package}.") if "__main__" not in info.name]
    for name in names:
        importlib.import_module(name)
    return names


def subclasses(base: Any) -> Iterator[Any]:
    for kind in base.__subclasses__():
        yield kind
        yield from subclasses(kind)


def assert_named(path: str, names: Iterator[str]) -> None:
    """Fail if a document leaves out one of the names, each of which stands in backticks there."""
    assert Path(ROOT / path).is_file(), f"{path} is missing"
    text = document(path)
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
