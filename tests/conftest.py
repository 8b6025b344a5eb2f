"""What every test relies on: no way out of this machine, and no settings from the developer's environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from app.environment import prepare_environment

prepare_environment()
# Nothing here speaks TLS, and each HTTP client would read all root certificates: a thirtieth of a second for nothing.
os.environ["SSL_CERT_DIR"] = os.devnull

ROOT = Path(__file__).parent.parent
LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}


class WentOutside(AssertionError):
    """The code under test tried to reach another machine."""


def deny_outside(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: refuse connections and look-ups beyond loopback, whichever library attempts them."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in LOOPBACK:
        raise WentOutside(f"connect to {arguments[1]}")
    if event == "socket.getaddrinfo" and arguments[0] not in LOOPBACK:
        raise WentOutside(f"look-up of {arguments[0]!r}")


sys.addaudithook(deny_outside)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PARLEY_", "LANGSMITH_", "LANGCHAIN_", "OPENAI_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.fixture
def shared_data() -> Path:
    """Third-party material to measure against; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no third-party data beside the project ({folder.name}/)")
    return folder


@pytest.fixture(scope="session")
def holding_the_model() -> Callable[[int], AbstractContextManager[None]]:
    """`with holding_the_model(pid)`: the local model of that server says nothing, so that none of its turns ends."""

    @contextmanager
    def hold(server: int) -> Iterator[None]:
        children = psutil.Process(server).children()
        models = [child for child in children if "agents.models.engine.process" in child.cmdline()]
        assert models
        for model in models:
            model.suspend()
        try:
            yield
        finally:
            for model in filter(psutil.Process.is_running, models):
                model.resume()

    return hold


@pytest.fixture(scope="session")
def save_cross_encoder() -> Callable[..., Path]:
    """`save_cross_encoder(folder, words, labels=1)`: a tiny real cross-encoder that knows the words, weights random."""

    def save(folder: Path, words: Sequence[str], labels: int = 1) -> Path:
        import torch
        from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

        folder.mkdir()
        known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
        (folder / "vocab.txt").write_text("\n".join(known))
        torch.manual_seed(3)
        config = BertConfig(
            vocab_size=len(known),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            num_labels=labels,
            initializer_range=1.0,
        )
        BertForSequenceClassification(config).save_pretrained(folder)
        BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
        return folder

    return save
