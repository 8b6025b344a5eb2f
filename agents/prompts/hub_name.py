"""How settings and commands name a prompt of the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.prompts.errors import BadHubName

SCHEME = "hub:"
LATEST = "latest"
_NAME = r"[a-z][a-z0-9_-]{0,99}"
_FORM = re.compile(
    rf"(?:hub:)?(?:(?P<owner>-|[A-Za-z0-9][A-Za-z0-9._-]{{0,99}})/)?(?P<name>{_NAME})"
    r"(?::(?P<reference>[A-Za-z0-9][A-Za-z0-9._-]{0,99}))?"
)


@dataclass(frozen=True)
class HubName:
    """`OWNER/NAME:REFERENCE`: the reference is a tag, a commit or `latest`, and the owner of one's own is empty."""

    owner: str
    name: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> HubName:
        """Read it as people write it, with `hub:` before it or without. Raises `BadHubName`."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise BadHubName(f"{text!r} names no prompt of the hub; write hub:NAME:TAG or hub:OWNER/NAME:COMMIT.")
        owner = found["owner"] or ""
        return cls("" if owner == "-" else owner, found["name"], found["reference"] or LATEST)

    def __str__(self) -> str:
        return f"{SCHEME}{self.identifier}"

    @property
    def identifier(self) -> str:
        """As LangSmith's clients write it."""
        return f"{self.repo}:{self.reference}"

    @property
    def repo(self) -> str:
        """The prompt without its version."""
        return f"{self.owner}/{self.name}" if self.owner else self.name

    def at(self, commit: str) -> HubName:
        """That version of the same prompt."""
        return HubName(self.owner, self.name, commit)


def is_hub_name(name: str) -> bool:
    """Whether a prompt's name in the settings means the hub, and not a file."""
    return name.startswith(SCHEME)


def is_prompt_name(text: str) -> bool:
    """Whether a prompt in the hub can be named here."""
    return re.fullmatch(_NAME, text) is not None
