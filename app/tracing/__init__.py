"""Traces and feedback on their way out of a turn: to disk first, from there to the sink.

`build_client` makes an ordinary `langsmith.Client`. What it writes is spooled by an adapter of its HTTP session and
acknowledged at once; a drainer thread delivers it. A sink that is down or slow delays no turn and loses nothing.
"""

from app.tracing.client import build_client
from app.tracing.outbox import Outbox
from app.tracing.settings import TracingSettings

__all__ = ["Outbox", "TracingSettings", "build_client"]
