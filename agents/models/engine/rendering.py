"""Renders a model's chat template, which is a program that came with the weights, in a process of its own.

    python -I rendering.py FILE_DESCRIPTOR

The first message over the pipe is the template, each further one a conversation. This file imports nothing of Parley's,
so that the process takes 20 MB and starts at once. A template that computes without end, or fills the memory, ends it.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from contextlib import suppress
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

from jinja2 import Template
from jinja2.ext import Extension
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_S = 1.0
"""For one conversation, where a usual template takes less than a millisecond."""
MEMORY_BYTES = 512 << 20


class Generation(Extension):
    """The tag `{% generation %}`, which marks what a model is trained on and shows its content."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[Node]:
        """The nodes between the tag and its end."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def compiled(text: str) -> Template:
    """The template with what templates of models rely on."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": _refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
    return environment.from_string(text)


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    """JSON as models are trained on it: without the escapes that HTML would need."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _refuse(message: str) -> None:
    raise ValueError(message)


def main(pipe: Connection) -> None:
    """Answer each conversation with its prompt, or with why there is none, until the pipe closes."""
    with suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    text = json.loads(pipe.recv_bytes())
    template: Template | None = None
    while True:
        conversation = json.loads(pipe.recv_bytes())
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        try:
            template = template or compiled(text)
            answer = {"prompt": template.render(conversation)}
        except Exception as error:
            answer = {"refusal": str(error)[:300]}
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send_bytes(json.dumps(answer).encode())


if __name__ == "__main__":
    with suppress(EOFError, OSError):
        main(Connection(int(sys.argv[1])))
