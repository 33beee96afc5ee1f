"""What the commands that speak to a running service share: where it is, asking it, figures in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.markup import escape

from app.cli_console import LineConsole

if TYPE_CHECKING:
    import httpx

# httpx is imported where it is used: every `rondo` command loads this module.

Url = Annotated[
    str, typer.Option(help="The running service.", envvar="RONDO_URL", show_envvar=True, show_default=True)
]
Key = Annotated[str, typer.Option(help="Its API key.", envvar="RONDO_KEY", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
HOME: Final = "http://127.0.0.1:8080"
_TIMEOUT_S: Final = 10.0
_SILENCE_S: Final = 60.0
"""A stream that says nothing for so long is dead: the service pings every quarter of a minute."""
_FAILED: Final = 1


def ask(
    url: str,
    key: str,
    method: str,
    path: str,
    *,
    query: dict[str, Any] | None = None,
    body: dict[str, Any] | None = None,
) -> Any:
    """Return the service's answer; a refusal is told in its own words and ends the command with 1."""
    import httpx  # noqa: PLC0415

    try:
        answer = httpx.request(
            method,
            url.rstrip("/") + path,
            params=query,
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"No answer from {url}: {error}")
    if not answer.is_success:
        _fail(_refusal(answer))
    return answer.json() if answer.content else None


def following(url: str, key: str, path: str, query: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield id and data of each of the service's server-sent events, until it hangs up."""
    import httpx  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.Timeout(_TIMEOUT_S, read=_SILENCE_S)
    try:
        with httpx.stream(
            "GET", url.rstrip("/") + path, params=query, headers=headers, timeout=limits
        ) as answer:
            if not answer.is_success:
                answer.read()
                _fail(_refusal(answer))
            number = ""
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                if field == "id":
                    number = value
                elif field == "data":
                    yield number, value
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"No answer from {url}: {error}")
    _fail(f"{url} has hung up.")


def _refusal(answer: httpx.Response) -> str:
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    told = problem.get("detail") or problem.get("title") or f"status {answer.status_code}"
    return str(told)


def _fail(told: str) -> NoReturn:
    LineConsole(stderr=True).print(escape(told))
    raise typer.Exit(_FAILED) from None


def seconds(value: float | None) -> str:
    """Return a duration as minutes and seconds; nothing for none."""
    if value is None:
        return ""
    minutes, rest_s = divmod(round(value), 60)
    return f"{minutes}:{rest_s:02}"


def share(value: float | None) -> str:
    """Return a share in per cent; nothing for none."""
    return "" if value is None else f"{100 * value:.1f} %"
