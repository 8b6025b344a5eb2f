"""Keeps every library from calling home. Must run before any of them is imported."""

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
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
    "TRACELOOP_TELEMETRY": "false",
    "TRANSFORMERS_OFFLINE": "1",
}


def keep_offline() -> None:
    """Set each library's own off switch, unless the environment has decided otherwise."""
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    # Tracing is switched on turn by turn with an explicit client, never by ambient variables.
    os.environ["LANGSMITH_TRACING"] = "false"
