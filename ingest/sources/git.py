"""The files of a branch of a git repository, through the `git` program."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ingest.errors import IngestError, RefusedFile
from ingest.sources.base import Content, Discovery, Found, Patterns, came_through, too_large
from ingest.sources.settings import GitSettings

_SAFE = {
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "core.hooksPath": os.devnull,
    "credential.helper": "",
    "gc.auto": "0",
}
_ALONE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "LC_ALL": "C",
}
_LINK, _FILES = "120000", {"100644", "100755"}
_READ_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class GitFile(Found):
    """A file in a commit; its version is the id of its content."""

    repository: Path
    size: int

    def read(self, max_bytes: int, known: str = "") -> Content | None:
        if self.version == known:
            return None
        if self.size > max_bytes:
            raise too_large(self.size, max_bytes)
        try:
            command = ["git", "--git-dir", str(self.repository), "cat-file", "blob", self.version]
            # The version is an id that git itself has listed.
            data = subprocess.run(command, capture_output=True, check=True, timeout=_READ_TIMEOUT_S).stdout  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise RefusedFile("unreadable", "The copy of the repository does not yield it.") from error
        return Content(data, self.name, self.version)


@dataclass(frozen=True, slots=True)
class GitSource:
    """A branch. The newest commit, without its history, is kept below `folder`."""

    settings: GitSettings
    folder: Path
    name: str = ""

    def discover(self) -> Discovery:
        """Raises IngestError where the repository cannot be had."""
        repository = self._newest()
        discovery = Discovery(would_find=came_through(self.name))
        patterns = Patterns(self.settings.include, self.settings.exclude)
        for figures, path in self._entries(repository):
            if patterns.want(path) and not any(part.startswith(".") for part in path.split("/")):
                self._take(figures, path, repository, discovery)
        return discovery

    def _entries(self, repository: Path) -> Iterator[tuple[str, str]]:
        """The figures and the path of everything below the folder."""
        below = self.settings.folder.strip("/") or "."
        listing = self._git("--literal-pathspecs", "ls-tree", "-rzl", repository.name, "--", below, at=repository)
        for entry in filter(None, listing.split("\0")):
            figures, _, path = entry.partition("\t")
            yield figures, path

    def _take(self, figures: str, path: str, repository: Path, discovery: Discovery) -> None:
        mode, _, blob, size = figures.split()
        source = f"git+{self.settings.url}@{self.settings.branch or 'HEAD'}:{quote(path)}"
        if mode == _LINK:
            found = GitFile(source, path, repository, 0, version=blob)
            discovery.refused.append((found, RefusedFile("link", "Links in a repository are not followed.")))
        elif mode in _FILES:
            discovery.take(GitFile(source, path, repository, int(size), version=blob))

    def _newest(self) -> Path:
        """The repository that holds the newest commit, whose id is its name; fetched where it is not here yet."""
        branch = f"{self.settings.url}@{self.settings.branch}"
        place = self.folder.resolve() / hashlib.sha256(branch.encode()).hexdigest()[:16]
        place.mkdir(parents=True, exist_ok=True)
        ref = f"refs/heads/{self.settings.branch}" if self.settings.branch else "HEAD"
        commit = self._git("ls-remote", "--exit-code", "--", self.settings.url, ref).partition("\t")[0]
        return place / commit if (place / commit).is_dir() else self._fetch(ref, place)

    def _fetch(self, ref: str, place: Path) -> Path:
        """Fetch the commit into a folder of its own, in place of the earlier ones and of what was left half-fetched."""
        earlier = list(place.iterdir())
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=place) as folder:
            fresh = Path(folder, "repository")
            self._git("init", "--quiet", "--bare", at=fresh)
            self._git("fetch", "--quiet", "--depth=1", "--no-tags", "--", self.settings.url, ref, at=fresh)
            commit = self._git("rev-parse", "--verify", "FETCH_HEAD", at=fresh).strip()
            for outdated in earlier:
                shutil.rmtree(outdated, ignore_errors=True)
            return fresh.rename(place / commit)

    def _git(self, *arguments: str, at: Path | None = None) -> str:
        """What `git` prints, run without anybody's configuration, prompts or hooks. Raises IngestError."""
        where = ["--git-dir", str(at)] if at else []
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and the settings' words stand behind `--`
                ["git", *where, *arguments],  # noqa: S607 - wherever the machine keeps it
                capture_output=True,
                env=_environment(self.settings),
                timeout=self.settings.timeout_s,
                check=True,
            )
        except FileNotFoundError as error:
            raise IngestError("The program git is not installed. Install it to read repositories.") from error
        except subprocess.TimeoutExpired as error:
            raise IngestError(f"{self._failed} It took longer than {self.settings.timeout_s:g} s.") from error
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode(errors="replace").strip().splitlines() or ["It has no such branch."]
            raise IngestError(f"{self._failed} {lines[-1]}") from error
        return done.stdout.decode(errors="backslashreplace")

    @property
    def _failed(self) -> str:
        return f"The repository {self.settings.url} cannot be fetched, and nothing was changed."


def _environment(settings: GitSettings) -> dict[str, str]:
    """Git's environment, its settings included: there, other users of the machine do not see the token."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    values = dict(_SAFE)
    if settings.allow_local:
        values["protocol.file.allow"] = "always"
    if settings.token:
        credentials = b64encode(f"token:{settings.token.get_secret_value()}".encode()).decode()
        values[f"http.{settings.url}.extraHeader"] = f"Authorization: Basic {credentials}"
    named = {f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(values)}
    valued = {f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(values.values())}
    return inherited | _ALONE | {"GIT_CONFIG_COUNT": str(len(values))} | named | valued
