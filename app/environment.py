"""What libraries read from the environment. It must be set before any of them is imported."""

from __future__ import annotations

import os

OFFLINE = {
    "ANONYMIZED_TELEMETRY": "False",
    "CHAINLIT_DISABLE_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OTEL_SDK_DISABLED": "true",
    "SCARF_NO_ANALYTICS": "true",
    "TRACELOOP_TELEMETRY": "false",
    "TRANSFORMERS_OFFLINE": "1",
}
THREADS = {
    # The encoder and the language model share the cores: a thread that spins while it waits takes them from the other.
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
}


def prepare_environment() -> None:
    """Keep every library from calling home, unless the environment has decided otherwise."""
    for name, value in {**OFFLINE, **THREADS}.items():
        os.environ.setdefault(name, value)
    # Tracing is switched on turn by turn with an explicit client, never by ambient variables.
    os.environ["LANGSMITH_TRACING"] = "false"
