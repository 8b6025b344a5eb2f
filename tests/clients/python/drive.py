"""Runs steps of the suite with whichever `langsmith` is on the path, and prints what it saw.

    LANGSMITH_ENDPOINT=… LANGSMITH_API_KEY=… python drive.py STATE.json tracing.recall feedback.write

Each step prints one line of JSON: `{"step": …, "seen": {…}}`, or `"failed"` with a traceback. The state file carries
ids from one process to the next.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
import warnings
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from langsmith import Client


def main(state_file: Path, steps: list[str]) -> int:
    """Run the steps in order, up to the first that fails."""
    state: dict[str, Any] = json.loads(state_file.read_text()) if state_file.exists() else {}
    client = Client()
    for step in steps:
        area, _, act = step.partition(".")
        try:
            with redirect_stdout(sys.stderr):  # the library prints where to click
                seen = getattr(import_module(area), act)(client, state)
        except Exception:
            print(json.dumps({"step": step, "failed": traceback.format_exc()}), flush=True)
            return 1
        finally:
            state_file.write_text(json.dumps(state))
        print(json.dumps({"step": step, "seen": seen}), flush=True)
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
