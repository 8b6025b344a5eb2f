"""Git sources, against real repositories that the git program makes."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from ingest.errors import IngestError
from ingest.report import IngestReport
from ingest.settings import IngestSettings
from ingest.sources.configured import Sources
from ingest.sources.git import GitSource
from ingest.sources.settings import GitSettings
from retrieval.corpus import Corpus

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")

Run = Callable[..., IngestReport]
SMALL = IngestSettings(max_file_bytes=1000)


class Repository:
    """A repository on disk that a test commits to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> None:
        identity = {
            f"GIT_{who}_{what}": "ann@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run(["git", *arguments], cwd=self.path, env=environment, check=True, capture_output=True)

    def commit(self, **files: str | None) -> None:
        """Write files, by their path with `__` for `/` and `_` for the dot, or delete them."""
        for name, text in files.items():
            path = self.path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.unlink() if text is None else path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Change")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "handbook.git")


@pytest.fixture
def run(corpus: Corpus, repository: Repository, tmp_path: Path) -> Run:
    def run(name: str = "handbook", settings: IngestSettings = SMALL, **more: object) -> IngestReport:
        values = {"kind": "git", "url": str(repository.path), "allow_local": True, **more}
        configured = {name: GitSettings.model_validate(values)}
        return Sources(configured, settings, tmp_path / "data").run(name, corpus)

    return run


def statuses(report: IngestReport) -> dict[str, str]:
    return {file.name: file.reason or file.status for file in report.files}


def test_files_changes_and_deletions_of_a_branch_are_followed(
    corpus: Corpus, repository: Repository, run: Run, tmp_path: Path
) -> None:
    repository.commit(docs__leave_md="# Leave\nFive days.", docs__travel_md="# Travel\nBy train.", code_py="pass")
    assert statuses(run()) == {"docs/leave.md": "added", "docs/travel.md": "added", "code.py": "unsupported"}
    [document] = [one for one in corpus.documents().values() if one.name == "docs/leave.md"]
    assert document.source == f"git+{repository.path}@HEAD:docs/leave.md"
    assert len(document.version) == 40
    assert set(statuses(run()).values()) == {"unchanged", "unsupported"}
    repository.commit(docs__leave_md="# Leave\nSix days.", docs__travel_md=None)
    assert statuses(run()) == {"docs/leave.md": "changed", "docs/travel.md": "removed", "code.py": "unsupported"}
    [kept] = (tmp_path / "data/git").glob("*/*")
    assert len(kept.name) == 40


def test_an_unchanged_file_is_not_read_again(repository: Repository, run: Run) -> None:
    repository.commit(a_md="One, and some more.")
    run()
    assert statuses(run(settings=IngestSettings(max_file_bytes=1))) == {"a.md": "unchanged"}
    repository.commit(a_md="Two, and some more.")
    assert statuses(run(settings=IngestSettings(max_file_bytes=1))) == {"a.md": "too_large"}


def test_branch_folder_and_patterns_choose(repository: Repository, run: Run) -> None:
    repository.commit(docs__a_md="One.", docs__b_md="Two.", c_md="Three.")
    repository.git("switch", "--quiet", "--create=next")
    repository.commit(docs__d_md="Four.")
    repository.git("switch", "--quiet", "main")
    assert statuses(run("main", folder="docs", exclude=["*/b.md"])) == {"docs/a.md": "added"}
    chosen = run("next", branch="next", folder="/docs/")
    assert statuses(chosen) == {"docs/a.md": "added", "docs/b.md": "added", "docs/d.md": "added"}
    with pytest.raises(IngestError, match="no such branch"):
        run("none", branch="none")


def test_links_large_and_hidden_files_and_submodules_are_left_out(repository: Repository, run: Run) -> None:
    (repository.path / "out.md").symlink_to("/etc/passwd")
    repository.commit(large_txt="word " * 300, _github__a_md="Hidden.", good_md="Good.")
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(repository.path), "inner")
    repository.commit()
    assert statuses(run()) == {"good.md": "added", "large.txt": "too_large", "out.md": "link"}


def test_a_repository_that_is_away_keeps_what_is_known(corpus: Corpus, repository: Repository, run: Run) -> None:
    repository.commit(a_md="One.")
    run()
    repository.path.rename(repository.path.with_name("elsewhere"))
    with pytest.raises(IngestError, match="cannot be fetched, and nothing was changed"):
        run()
    assert len(corpus.documents()) == 1


def test_a_folder_of_this_machine_is_read_only_where_that_is_allowed(repository: Repository) -> None:
    with pytest.raises(ValidationError, match="allow_local"):
        GitSettings(kind="git", url=str(repository.path))


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:secret@example.com/a.git",
        "http://example.com/a",
        "--upload-pack=evil",
        "ext::sh -c evil",
        "ssh://-oProxy/a",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        GitSettings(kind="git", url=url, allow_local=True)


def test_a_token_is_in_no_message(tmp_path: Path) -> None:
    settings = GitSettings(kind="git", url="https://127.0.0.1:9/a.git", token="hunter2")  # type: ignore[arg-type]
    with pytest.raises(IngestError) as error:
        GitSource(settings, tmp_path).discover()
    assert "127.0.0.1" in str(error.value)
    assert "hunter2" not in f"{error.value} {settings!r}"


def test_a_file_is_read_by_another_process_too(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a_md="One.")
    settings = GitSettings(kind="git", url=str(repository.path), allow_local=True)
    [found] = GitSource(settings, tmp_path / "git").discover().files
    content = pickle.loads(pickle.dumps(found)).read(1000)
    assert (content.data, content.version) == (b"One.", found.version)
    assert found.read(1000, content.version) is None
