"""What the commands that speak to a running service share: where it is, asking it, figures in words."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from app.cli_console import LineConsole

# httpx is imported where it is used: every `rondo` command loads this module.

Url = Annotated[
    str, typer.Option(help="The running service.", envvar="RONDO_URL", show_envvar=True, show_default=True)
]
Key = Annotated[str, typer.Option(help="Its API key.", envvar="RONDO_KEY", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
HOME: Final = "http://127.0.0.1:8080"
_TIMEOUT_S: Final = 10.0
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

    err = LineConsole(stderr=True)
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
        err.print(escape(f"No answer from {url}: {error}"))
        raise typer.Exit(_FAILED) from None
    if not answer.is_success:
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        told = problem.get("detail") or problem.get("title") or f"status {answer.status_code}"
        err.print(escape(f"{told}"))
        raise typer.Exit(_FAILED)
    return answer.json() if answer.content else None


def seconds(value: float | None) -> str:
    """Return a duration as minutes and seconds; nothing for none."""
    if value is None:
        return ""
    minutes, rest_s = divmod(round(value), 60)
    return f"{minutes}:{rest_s:02}"


def share(value: float | None) -> str:
    """Return a share in per cent; nothing for none."""
    return "" if value is None else f"{100 * value:.1f} %"
