"""The rules of the house that no ready-made checker knows; each yields what it found as `line: what`."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
CODE = ("app/", "routing/", "staffing/")
CORES = ("routing/", "staffing/")
MAX_LINES = 600
MAX_ADR_LINES = 40

Rule = Callable[[str, str], Iterator[str]]

READINGS = ("time", "monotonic", "perf_counter", "process_time")
CLOCKS = frozenset(
    [f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")]
    + [f"time.{name}{suffix}" for name in READINGS for suffix in ("", "_ns")]
    + ["datetime.date.today", "time.localtime", "time.gmtime"]
)
NUMPY_SEEDED = ("default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64")
SEEDED = frozenset(["random.Random", *(f"numpy.random.{name}" for name in NUMPY_SEEDED)])
UNSEEDED = re.compile(r"([\w.]+\.)?(default_rng|Random)\(\)")
# Assembled here, so that this file does not break the rules it states.
HOSTS = re.compile(
    r"\b("
    + "|".join(
        re.escape(".".join(name))
        for name in [
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("deb", "debian", "org"),
            ("docker", "io"),
            ("ghcr", "io"),
            ("quay", "io"),
            ("crates", "io"),
            ("golang", "org"),
            ("jsdelivr", "net"),
            ("unpkg", "com"),
            ("cdnjs", "cloudflare", "com"),
        ]
    )
    + r")\b"
)
MACHINE_PATHS = re.compile(r"(?<![\w./])/(?:work|root|home/[a-z]+|Users/[a-z]+)(?:/|$|(?=[\s'\"`)]))")
TEMPORARY = re.compile(r"(?<![\w.])/" + "tmp" + r"\b")
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
BANNER = re.compile(r"^\s*(?:#|//|/\*)\s*[-=*#~_]{4,}")


def tracked_files() -> list[str]:
    """Return the files under version control, relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file())


def violations(rule: Rule, paths: list[str] | None = None) -> list[str]:
    """Return what a rule finds in all text files under version control, or in `paths`."""
    found = []
    for path in tracked_files() if paths is None else paths:
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path}:{problem}" for problem in rule(path, text)]
    return found


def sql_outside_the_database_layer(path: str, text: str) -> Iterator[str]:
    """All SQL is in app/db."""
    if not path.startswith(CODE) or path.startswith("app/db/"):
        return
    for line, name in _imports(path, text):
        if name.split(".")[0] == "sqlalchemy":
            yield f"{line}: imports {name}; SQL belongs in app/db"


def clock_read_outside_its_module(path: str, text: str) -> Iterator[str]:
    """Time is an argument; app/clock.py alone reads it."""
    if not path.startswith(CODE) or path == "app/clock.py":
        return
    for line, name in _references(path, text):
        if name in CLOCKS:
            yield f"{line}: reads the clock by {name}; take the time as an argument"
    for node in ast.walk(_parse(path, text)):
        if isinstance(node, ast.Call) and re.search(r"loop(\(\))?\.time$", ast.unparse(node.func)):
            yield f"{node.lineno}: reads the clock of the event loop; take the time as an argument"


def chance_without_a_seed(path: str, text: str) -> Iterator[str]:
    """The cores take a seeded generator."""
    if not path.startswith(CORES):
        return
    for line, name in _references(path, text):
        if name.startswith(("random.", "numpy.random.")) and name not in SEEDED:
            yield f"{line}: {name} has no seed; take a generator as an argument"
    for node in ast.walk(_parse(path, text)):
        if isinstance(node, ast.Call) and re.fullmatch(
            r"([\w.]+\.)?(default_rng|Random)\(\)", ast.unparse(node)
        ):
            yield f"{node.lineno}: {ast.unparse(node)} has no seed"


def print_outside_the_command_line(path: str, text: str) -> Iterator[str]:
    """The service logs; only the command line prints."""
    if not path.startswith(CODE) or path.startswith("app/cli"):
        return
    for node in ast.walk(_parse(path, text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{node.lineno}: prints; log an event instead"


def too_long(path: str, text: str) -> Iterator[str]:
    """A file that long holds more than one subject."""
    limit = MAX_ADR_LINES if re.match(r"docs/adr/\d", path) else MAX_LINES
    lines = text.count("\n")
    if not path.endswith(".lock") and lines > limit:
        yield f"{lines}: has {lines} lines, the limit is {limit}; split it by subject"


def unfinished(path: str, text: str) -> Iterator[str]:
    """What is left to do is in the tracker, not in the code."""
    yield from _lines_with(UNFINISHED, text, "is left to do")


def registry_host(path: str, text: str) -> Iterator[str]:
    """Where packages come from is the machine's business."""
    yield from _lines_with(HOSTS, text, "names a registry's host")


def machine_path(path: str, text: str) -> Iterator[str]:
    """Nothing may hold on one machine alone."""
    yield from _lines_with(MACHINE_PATHS, text, "names a path of one machine")
    if path.endswith(".md"):
        yield from _lines_with(TEMPORARY, text, "names a path of one machine")


def banner(path: str, text: str) -> Iterator[str]:
    """A file that needs banners needs splitting."""
    if PurePosixPath(path).suffix in {".py", ".js", ".css", ".yml"}:
        yield from _lines_with(BANNER, text, "is a banner")


def host_bound_lock(path: str, text: str) -> Iterator[str]:
    """Locks are plain requirements with hashes."""
    if PurePosixPath(path).name in {"uv." + "lock", "pylock." + "toml", "poetry.lock", "Pipfile.lock"}:
        yield "1: this kind of lock names hosts; `make lock` writes the ones we use"


ALL: tuple[Rule, ...] = (
    sql_outside_the_database_layer,
    clock_read_outside_its_module,
    chance_without_a_seed,
    print_outside_the_command_line,
    too_long,
    unfinished,
    registry_host,
    machine_path,
    banner,
    host_bound_lock,
)


def _lines_with(pattern: re.Pattern[str], text: str, what: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        if match := pattern.search(line):
            yield f"{number}: {match.group().strip()!r} {what}"


def _parse(path: str, text: str) -> ast.Module:
    return ast.parse(text if path.endswith(".py") else "")


def _imports(path: str, text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(_parse(path, text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _references(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield every name that is used, spelt out in full through the file's imports."""
    tree = _parse(path, text)
    full: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            full |= {a.asname: a.name for a in node.names if a.asname}
            full |= {top: top for a in node.names if not a.asname for top in [a.name.split(".")[0]]}
        elif isinstance(node, ast.ImportFrom):
            full |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            head, _, rest = ast.unparse(node).partition(".")
            if head in full:
                yield node.lineno, f"{full[head]}.{rest}".rstrip(".")
