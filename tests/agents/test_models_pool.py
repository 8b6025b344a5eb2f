"""Settings become models, each built once; names that mean nothing are refused early."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from agents.errors import ModelUnavailable
from agents.models import ModelPool, ModelSettings, build_model
from agents.models.files import find_gguf
from agents.models.scripted import ScriptedChat


@pytest.mark.parametrize(
    ("name", "kind", "label"),
    [
        ("local", "local", "SmolLM2-135M-Instruct.Q4_1"),
        ("/home/someone/weights/tiny.gguf", "local", "tiny"),
        ("hf:owner/repo/sub/tiny.Q8.gguf", "local", "tiny.Q8"),
        ("scripted", "scripted", "scripted"),
        ("openai:gpt-5-mini", "hosted", "openai:gpt-5-mini"),
    ],
)
def test_the_name_decides_the_kind_and_never_shows_a_folder(name: str, kind: str, label: str) -> None:
    settings = ModelSettings(name=name)
    assert (settings.kind, settings.label) == (kind, label)


def test_the_label_tells_models_apart_that_differ_by_their_adapter() -> None:
    assert ModelSettings(name="/weights/tiny.gguf", adapter="/adapters/terse.gguf").label == "tiny+terse"


@pytest.mark.parametrize("name", ["", "gpt-5", "hf:tiny.gguf", "hf:owner/repo/tiny.safetensors"])
def test_a_name_of_no_known_form_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="write "):
        ModelSettings(name=name)


def test_unknown_settings_and_nonsense_are_refused_and_the_key_stays_secret() -> None:
    for wrong in ({"tempreture": 1}, {"max_tokens": 0}, {"timeout_s": 0}, {"price_per_hour_usd": -1}):
        with pytest.raises(ValidationError):
            ModelSettings(**wrong)
    assert "k-1" not in repr(ModelSettings(api_key="k-1"))


def test_each_model_is_built_once() -> None:
    pool = ModelPool(ModelSettings(name="scripted"), {"other": ModelSettings(name="scripted")})
    assert pool.get() is pool.get(None)
    assert pool.get("other") is pool.get("other")
    assert pool.get("other") is not pool.get()
    pool.warm()
    pool.close()


def test_a_model_that_is_not_configured_is_refused() -> None:
    pool = ModelPool(ModelSettings(name="scripted"))
    for use in (pool.get, pool.settings_of, pool.name_of):
        with pytest.raises(ModelUnavailable, match="No model other"):
            use("other")


def test_a_given_default_takes_the_place_of_the_configured_one() -> None:
    given = ScriptedChat(model_name="mine")
    pool = ModelPool(ModelSettings(), default=given)
    assert pool.get() is given
    assert pool.name_of() == "mine"


def test_names_come_without_loading_anything() -> None:
    pool = ModelPool(ModelSettings(), {"big": ModelSettings(name="openai:gpt-5-mini")})
    assert pool.name_of() == "SmolLM2-135M-Instruct.Q4_1"
    assert pool.name_of("big") == "openai:gpt-5-mini"
    assert pool.settings_of("big").kind == "hosted"


@pytest.mark.model
def test_the_pool_loads_the_local_model_and_lets_go_of_it() -> None:
    pool = ModelPool(ModelSettings(context_tokens=512, max_tokens=3))
    pool.warm()
    assert pool.get().invoke([HumanMessage("Hi")]).text
    pool.close()
    with pytest.raises(ModelUnavailable):
        pool.get().invoke([HumanMessage("Hi")])


def test_the_packaged_file_is_found_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert find_gguf("local").stat().st_size > 90_000_000
    with pytest.raises(ModelUnavailable, match=r"no model file .*absent\.gguf"):
        find_gguf(str(tmp_path / "absent.gguf"))


def test_a_hub_that_cannot_be_reached_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"tiny\.gguf of owner/repo cannot be fetched"):
        find_gguf("hf:owner/repo/tiny.gguf")


def test_building_a_local_model_reads_no_weights() -> None:
    model = build_model(ModelSettings(name="/nowhere/absent.gguf"))
    with pytest.raises(ModelUnavailable, match="no model file"):
        model.invoke("Hi")
