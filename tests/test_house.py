"""The rules of the house hold, and each of them would notice if it did not."""

import re
import tomllib
from pathlib import Path

import pytest

from tests import house

BREACHES = [
    (house.sql_outside_the_database_layer, "app/feed.py", "import sqlalchemy as sa"),
    (house.sql_outside_the_database_layer, "routing/floor.py", "from sqlalchemy.orm import Session"),
    (house.clock_read_outside_its_module, "app/feed.py", "import time\nnow = time.monotonic()"),
    (house.clock_read_outside_its_module, "routing/floor.py", "from time import time as t\nclock = t"),
    (house.clock_read_outside_its_module, "staffing/a.py", "import datetime as dt\ndt.datetime.now(dt.UTC)"),
    (house.clock_read_outside_its_module, "staffing/a.py", "from datetime import date\ndate.today()"),
    (house.clock_read_outside_its_module, "app/feed.py", "import asyncio\nasyncio.get_running_loop().time()"),
    (house.chance_without_a_seed, "routing/selection.py", "import random\nrandom.choice([1])"),
    (house.chance_without_a_seed, "staffing/a.py", "import numpy as np\nnp.random.normal()"),
    (house.chance_without_a_seed, "staffing/a.py", "import numpy as np\nnp.random.default_rng()"),
    (house.print_outside_the_command_line, "app/switchboard.py", "print('here')"),
    (house.too_long, "app/feed.py", "x = 1\n" * 601),
    (house.too_long, "docs/adr/0007-long.md", "word\n" * 41),
    (house.unfinished, "app/feed.py", "x = 1  # TO" + "DO: count"),
    (house.registry_host, "docs/a.md", "from https://pypi" + ".org/simple"),
    (house.registry_host, "Dockerfile", "FROM docker" + ".io/library/python"),
    (house.machine_path, "app/feed.py", "ROOT = '/ro" + "ot/rondo'"),
    (house.machine_path, "docs/a.md", "see /wo" + "rk/main"),
    (house.machine_path, "docs/a.md", "cd /t" + "mp/x"),
    (house.banner, "app/feed.py", "# " + "-" * 20),
    (house.host_bound_lock, "uv." + "lock", ""),
]
ALLOWED = [
    (house.sql_outside_the_database_layer, "app/db/queries.py", "import sqlalchemy"),
    (house.clock_read_outside_its_module, "app/clock.py", "import time\ntime.time()"),
    (house.clock_read_outside_its_module, "app/feed.py", "def age(now, time): return now - time.time"),
    (house.chance_without_a_seed, "staffing/a.py", "import numpy as np\nnp.random.default_rng(7)"),
    (house.chance_without_a_seed, "staffing/a.py", "import random\nrandom.Random(7)"),
    (house.print_outside_the_command_line, "app/cli.py", "print('done')"),
    (house.machine_path, "docs/a.md", "app/db/work/queries.py and `GET /v1/work/main`"),
]


@pytest.mark.parametrize("rule", house.ALL, ids=lambda rule: rule.__name__)
def test_rule_holds_everywhere(rule: house.Rule) -> None:
    assert house.violations(rule) == []


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_rule_notices_a_breach(rule: house.Rule, path: str, text: str) -> None:
    assert list(rule(path, text))


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED)
def test_rule_lets_pass_what_is_allowed(rule: house.Rule, path: str, text: str) -> None:
    assert list(rule(path, text)) == []


def test_every_rule_has_a_breach_that_shows_it_works() -> None:
    assert {rule for rule, _, _ in BREACHES} == set(house.ALL)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-bench.lock"])
def test_lock_pins_every_package_with_a_hash(name: str) -> None:
    requirements = re.split(r"\n(?=\S)", _uncommented(name))
    assert [r for r in requirements if "==" not in r or "--hash=sha256:" not in r] == []


def test_locks_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((house.ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": project["project"]["dependencies"] + groups["dev"],
        "requirements-bench.lock": project["project"]["dependencies"] + groups["bench"],
    }
    missing = {name: {_package(line) for line in lines} - set(_pins(name)) for name, lines in asked.items()}
    assert not any(missing.values()), missing


@pytest.mark.parametrize("name", ["requirements-dev.lock", "requirements-bench.lock"])
def test_tests_and_benchmarks_run_the_versions_that_users_run(name: str) -> None:
    project = tomllib.loads((house.ROOT / "pyproject.toml").read_text())
    asked = {_package(line) for line in project["project"]["dependencies"]}
    runtime, other = _pins("requirements.lock"), _pins(name)
    assert {package: other[package] for package in asked} == {package: runtime[package] for package in asked}


def test_decision_records_are_numbered_without_gap_or_double() -> None:
    numbers = [int(path.name[:4]) for path in sorted(Path(house.ROOT, "docs/adr").glob("[0-9]*.md"))]
    assert numbers == list(range(len(numbers)))


def _uncommented(name: str) -> str:
    lines = (house.ROOT / name).read_text().splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _pins(name: str) -> dict[str, str]:
    return {_package(p): v for p, v in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", _uncommented(name))}


def _package(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name.group()).lower()
