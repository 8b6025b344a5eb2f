"""A model's chat template: from a conversation and tools to the text of a prompt."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agents.errors import Refused
from agents.models.engine.forms import HERMES, form_of

ChatLine = dict[str, Any]
"""A message in OpenAI's shape, its content a text and the arguments of its calls parsed."""
ToolSpec = dict[str, Any]
"""A tool in OpenAI's shape: `{"type": "function", "function": {"name": …, "description": …, "parameters": schema}}`."""

_PROMPT_BYTES = 16 << 20
_HOW_TO_CALL = """\
You may call these tools, each described by a JSON schema:
<tools>
{tools}
</tools>
To call one, write its name and arguments as JSON between these tags, and nothing else:
{call}
Its result comes between <tool_response> tags."""


class ChatTemplate:
    """Renders in a process of its own, see `rendering`, which ends with this object. Safe to use from many threads."""

    def __init__(self, text: str, *, bos: str = "", eos: str = "") -> None:
        self._text = text
        self._ends = {"bos_token": bos, "eos_token": eos}
        taught = form_of(text)
        self._knows_tools = taught is not None
        self.form = taught or HERMES
        """How calls of tools are written."""
        self._pipe: Connection | None = None
        self._one_at_a_time = threading.Lock()

    def render(self, lines: Sequence[ChatLine], tools: Sequence[ToolSpec] = ()) -> str:
        """The prompt. Raises `Refused` where the template refuses, or takes too much time or memory."""
        if not self._knows_tools:
            lines, tools = spelled_out(lines, tools), ()
        conversation = {
            "messages": lines,
            "tools": list(tools) or None,
            "add_generation_prompt": True,
            **self._ends,
        }
        with self._one_at_a_time:
            answer = self._answer(json.dumps(conversation).encode())
        if "prompt" not in answer:
            raise Refused(f"The model's chat template refuses this conversation: {answer['refusal']}")
        return answer["prompt"]

    def _answer(self, conversation: bytes) -> dict[str, str]:
        """What the process answers. One that did not end by its own limit is started again, once."""
        for _ in range(2):
            pipe = self._pipe or self._started()
            try:
                pipe.send_bytes(conversation)
                return json.loads(pipe.recv_bytes(_PROMPT_BYTES))
            except (EOFError, OSError):
                self._pipe = None
                if self._end() == -signal.SIGPROF:
                    break
        return {"refusal": "it takes too much time or memory. Choose another model."}

    def _started(self) -> Connection:
        self._pipe, theirs = Pipe()
        process = subprocess.Popen(  # noqa: S603 (a file of this very folder)
            [sys.executable, "-I", str(Path(__file__).with_name("rendering.py")), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={},
            process_group=0,  # Ctrl-C is for the server
        )
        theirs.close()
        self._end = weakref.finalize(self, _ended, self._pipe, process)
        self._pipe.send_bytes(json.dumps(self._text).encode())
        return self._pipe


def _ended(pipe: Connection, process: subprocess.Popen[bytes]) -> int:
    """How the process ended, which it may have done before."""
    pipe.close()
    process.kill()
    return process.wait()


def spelled_out(lines: Sequence[ChatLine], tools: Sequence[ToolSpec]) -> list[ChatLine]:
    """The conversation for a template that knows nothing of tools: what it says of them becomes plain text.

    The tools are described in the system message, and what they return is said by the user.
    """
    system = [line["content"] for line in lines[:1] if line["role"] == "system"]
    if tools:
        system.append(_described(tools))
    rest = lines[1:] if lines and lines[0]["role"] == "system" else lines
    head = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    return [*head, *_plain(rest)]


def _described(tools: Sequence[ToolSpec]) -> str:
    specs = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    return _HOW_TO_CALL.format(tools=specs, call=HERMES.written("NAME", {}))


def _plain(lines: Sequence[ChatLine]) -> Iterator[ChatLine]:
    """Calls as their model writes them; results that follow each other as one message."""
    for is_result, group in groupby(lines, key=lambda line: line["role"] == "tool"):
        if is_result:
            results = (f"<tool_response>\n{line['content']}\n</tool_response>" for line in group)
            yield {"role": "user", "content": "\n".join(results)}
        else:
            yield from map(_without_calls, group)


def _without_calls(line: ChatLine) -> ChatLine:
    uses = [call["function"] for call in line.get("tool_calls", ())]
    calls = [HERMES.written(use["name"], use["arguments"]) for use in uses]
    return {"role": line["role"], "content": "\n".join(filter(None, [line["content"], *calls]))}
