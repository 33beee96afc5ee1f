"""What every test may use: PostgreSQL, a time limit for each test, and Hypothesis profiles."""

import faulthandler
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import EMPTY, Cluster, Server, keep_servers, shared_port

LIMIT_S = 60.0
SLOW_LIMIT_S = 120.0
POSTGRES_FIXTURES = {"postgres", "durable_postgres", "own_postgres"}
RUN = pytest.StashKey[Path]()

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-postgres", action="store_true", help="skip the tests that need PostgreSQL")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.stash[RUN] = Path(config.workerinput["postgres_run"])
        return
    run = Path(tempfile.mkdtemp(prefix="rondo-test-"))
    config.stash[RUN] = run
    stack = ExitStack()
    stack.enter_context(keep_servers(run))
    config.add_cleanup(stack.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["postgres_run"] = str(node.config.stash[RUN])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if POSTGRES_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.postgres)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that exceeds its limit; end the process if that does not help."""
    limit_s = SLOW_LIMIT_S if item.get_closest_marker("slow") else LIMIT_S

    def give_up(*_: object) -> None:
        pytest.fail(f"took longer than {limit_s:.0f} s", pytrace=True)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    faulthandler.dump_traceback_later(2 * limit_s, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Cluster:
    """The run's PostgreSQL server. It forgets everything in a crash; that makes it fast."""
    return _cluster(request, durable=False)


@pytest.fixture(scope="session")
def durable_postgres(request: pytest.FixtureRequest) -> Cluster:
    """A second server of the run with fsync on, for tests that must prove durability."""
    return _cluster(request, durable=True)


@pytest.fixture(scope="session")
def postgres_template() -> str:
    """Name of the database that `postgres_url` copies; override it to start from a schema."""
    return EMPTY


@pytest.fixture
def postgres_url(postgres: Cluster, postgres_template: str) -> Iterator[str]:
    """URL of a database of the test's own."""
    name = postgres.create(postgres_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def durable_postgres_url(durable_postgres: Cluster) -> Iterator[str]:
    """URL of an empty database of the test's own, on the server with fsync on."""
    name = durable_postgres.create()
    yield durable_postgres.url(name)
    durable_postgres.drop(name)


@pytest.fixture
def own_postgres(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with fsync on for one test alone, which may crash and start it."""
    _skip_if_unwanted(request)
    run: Path = request.config.stash[RUN]
    server = Server(Path(tempfile.mkdtemp(prefix="own-", dir=run)), durable=True)
    server.start()
    yield server
    server.close()


def _cluster(request: pytest.FixtureRequest, *, durable: bool) -> Cluster:
    _skip_if_unwanted(request)
    run: Path = request.config.stash[RUN]
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    return Cluster(port=shared_port(run, durable=durable), run=run, worker=worker)


def _skip_if_unwanted(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--no-postgres"):
        pytest.skip("PostgreSQL is switched off by --no-postgres")
