"""The one place that turns a template into a response, and fixes what every page promises the browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.ops.views import addresses, figures, formats
from app.ops.views.addresses import BASE, diff_url, experiment_url, step_url, thread_url, turn_url, turns_url

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


_has_chat: ContextVar[bool] = ContextVar("has_chat", default=True)
"""Whether a chat is served beside the pages of the request at hand: each page's frame shows it."""


def tell_of_chat(has_chat: bool) -> Callable[[], Awaitable[None]]:
    """For each request to the pages: whether they may lead to a chat."""

    async def tell() -> None:
        _has_chat.set(has_chat)

    return tell


def _environment() -> Environment:
    folder = Path(__file__).parent / "templates"
    env = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {name: getattr(formats, name) for name in _FILTERS}
    env.globals |= {"base": BASE, "bars": figures.bars, "turn_url": turn_url, "turns_url": turns_url}
    env.globals |= {
        "experiment_url": experiment_url,
        "step_url": step_url,
        "thread_url": thread_url,
        "diff_url": diff_url,
    }
    env.globals |= {name: getattr(addresses, name) for name in _DATA_ADDRESSES}
    env.globals["has_chat"] = _has_chat.get
    return env


_FILTERS = (
    "duration",
    "usd",
    "count",
    "many",
    "percent",
    "size",
    "clock_time",
    "ago",
    "excerpt",
    "pretty",
    "number",
    "signed",
)
_DATA_ADDRESSES = ("datasets_url", "dataset_url", "example_url", "results_url", "prompt_url", "queue_url", "hub_commit")
_TEMPLATES = _environment()


def page(template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """A whole page. Everything in `values` is escaped; it may come from anybody's trace."""
    html = _TEMPLATES.get_template(template).render(values)
    # A query may carry half a surrogate pair, which is text that UTF-8 cannot write.
    return HTMLResponse(html.encode("utf-8", "replace"), status_code=status, headers=_HEADERS)


def not_found(what: str) -> HTMLResponse:
    """The page for an address behind which there is nothing."""
    return page("not_found.html", {"what": what}, status=404)
