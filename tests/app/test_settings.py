"""Where settings come from, which source wins, and what a wrong one says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import ConfigurationError, Settings, load_settings

ARMS = 'arms = [{name = "a"}, {name = "b", model = "small"}]'


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.delenv("PORT", raising=False)


def write(text: str) -> None:
    Path("parley.toml").write_text(text)


def test_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.data_dir == Path(".parley")
    assert (settings.server.host, settings.server.port, settings.url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert settings.model.name == "local"
    assert settings.experiments == {}


def test_the_stronger_source_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    write('data_dir = "from-file"\n[server]\nport = 1111\nhost = "0.0.0.0"\n[turn]\ntimeout_s = 5')
    assert (load_settings().server.port, load_settings().turn.timeout_s) == (1111, 5.0)
    monkeypatch.setenv("PORT", "2222")
    assert load_settings().server.port == 2222
    monkeypatch.setenv("PARLEY_SERVER__PORT", "3333")
    settings = load_settings()
    assert (settings.server.port, settings.server.host) == (3333, "0.0.0.0")
    assert load_settings(server={"port": 4444}).server.port == 4444
    monkeypatch.setenv("PARLEY_DATA_DIR", "from-environment")
    assert load_settings().data_dir == Path("from-environment")


def test_names_that_other_tools_agree_on_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOST": "0.0.0.0",
        "PORT": "9000",
        "LANGSMITH_ENDPOINT": "https://langsmith.example",
        "LANGSMITH_API_KEY": "lsv2-key",
        "LANGSMITH_PROJECT": "handbook",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 9000)
    assert (settings.tracing.endpoint, settings.tracing.project) == ("https://langsmith.example", "handbook")
    assert settings.tracing.api_key.get_secret_value() == "lsv2-key"


def test_keys_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2-key")
    monkeypatch.setenv("PARLEY_MODEL__API_KEY", "sk-key")
    monkeypatch.setenv("PARLEY_DATABASE__URL", "postgresql://u:pw-key@h/db")
    shown = f"{load_settings()!r} {load_settings().model_dump_json()}"
    assert "lsv2-key" not in shown
    assert "sk-key" not in shown
    assert "pw-key" not in shown


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PARLEY_SERVR__PORT", "1", "PARLEY_SERVR__PORT is not a setting; the sections are answering,"),
        ("PARLEY_SERVER__PROT", "1", "server.prot is not a setting; docs/settings.md"),
        ("PARLEY_SERVER__PORT", "many", "server.port: Input should be a valid integer"),
        ("PARLEY_SERVER__PORT", "70000", "server.port: Input should be less than or equal to 65535"),
        ("PARLEY_MODEL__NAME", "gpt", "model.name: write local, scripted,"),
        ("PARLEY_DATABASE__URL", "mysql://u:password@h/db", "database.url: must be empty or begin with postgresql://"),
        ("PARLEY_TRACING__ENDPOINT", "not a url", "tracing.endpoint: String should match pattern"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1", "server.prot is not a setting"),
        ("[servr]\nport = 1", "servr is not a setting"),
        ("port = 1", "port is not a setting"),
        ("[server\nport = 1", "parley.toml is not valid TOML"),
        ("[experiments.one]\narms = [{name = 'a'}]", "experiments.one.arms: an experiment compares"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(text: str, said: str) -> None:
    write(text)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert str(raised.value).startswith(said)


def test_every_mistake_is_told_at_once() -> None:
    write('[server]\nport = "x"\n[turn]\ntimeout_s = 0')
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == ["server.port", "turn.timeout_s"]


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    write('[model]\napi_key = ["sk-in-a-list"]')
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert "sk-in-a-list" not in str(raised.value)


def test_experiments_use_models_that_are_configured() -> None:
    write(f"[experiments.wording]\n{ARMS}")
    with pytest.raises(ConfigurationError, match="experiment wording, arm b: no model small is configured"):
        load_settings()
    write(f'[models.small]\nname = "scripted"\n[experiments.wording]\n{ARMS}')
    assert load_settings().experiments["wording"].arms[1].model == "small"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[model]\nfallbacks = ["small"]', "model.fallbacks: no model small is configured"),
        ('[models.a]\nfallbacks = ["default", "b"]', "models.a.fallbacks: no model b is configured"),
        ('[[routing]]\nname = "short"\nmodel = "small"', "routing rule short: no model small is configured"),
        ('[models.default]\nname = "scripted"', "models.default: this name stands for"),
        ('[[routing]]\nname = "x"\nmodel = "default"\npattern = "("', "routing.0: the pattern is not a regular"),
    ],
)
def test_chains_and_rules_that_lead_nowhere_are_refused(text: str, said: str) -> None:
    write(text)
    with pytest.raises(ConfigurationError, match=said):
        load_settings()


def test_rules_are_read_in_their_order() -> None:
    write(
        '[models.a]\nname = "scripted"\nfallbacks = ["default"]\n[[routing]]\nname = "1"\nmodel = "a"\n'
        'max_quotes = 1\n[[routing]]\nname = "2"\nmodel = "default"'
    )
    assert [(rule.name, rule.model, rule.max_quotes) for rule in load_settings().routing] == [
        ("1", "a", 1),
        ("2", "default", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[turn]\nprompt = "answer@99"',
        '[experiments.wording]\narms = [{name = "a"}, {name = "b", prompt = "answer@99"}]',
    ],
)
def test_prompts_exist(text: str) -> None:
    write(text)
    with pytest.raises(ConfigurationError, match="There is no prompt 'answer@99'; there are: answer@1"):
        load_settings()


def test_only_one_experiment_may_be_enabled() -> None:
    two = f'[models.small]\nname = "scripted"\n[experiments.one]\n{ARMS}\n[experiments.two]\n{ARMS}\n'
    write(two)
    with pytest.raises(ConfigurationError, match="only one experiment may be enabled at a time, not one and two"):
        load_settings()
    write(f"{two}enabled = false")
    assert [name for name, one in load_settings().experiments.items() if one.enabled] == ["one"]


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ({"public_url": "https://ask.example/"}, "https://ask.example"),
        ({"host": "::1", "port": 9000}, "http://[::1]:9000"),
        ({"host": "localhost"}, "http://localhost:8000"),
    ],
)
def test_the_address_that_users_type(server: dict[str, object], url: str) -> None:
    assert Settings(server=server).url == url


def test_the_command_says_it_in_lines_and_not_in_a_stack_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app.cli", "run"]
    root = Path(__file__).parents[2]
    environment = {"PARLEY_SERVR__PORT": "1", "PYTHONPATH": f"{root}:{root / 'guardrails'}", "COLUMNS": "500"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 2
    assert "PARLEY_SERVR__PORT is not a setting" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
