"""What can be done with prompts: find, try out, push to the hub, pin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agents.models import ModelPool
from agents.prompts import Prompt, PromptError, load_prompt
from agents.prompts.errors import NotPinned, PromptRefused
from agents.prompts.examples import Trial, examples_of, read_examples, try_out
from agents.prompts.hub_name import HubName, is_hub_name
from agents.prompts.manifest import from_manifest, has_model, to_manifest
from agents.prompts.pins import Pin
from agents.prompts.prompt import require_usable
from app.prompts.hub import Hub, HubCommit, open_hub
from app.prompts.pins import open_pins
from app.settings import Settings


class PromptInUse(PromptError):
    """A running experiment would go on with another prompt under the same name."""


@dataclass(frozen=True)
class Found:
    """A prompt, and where it is from."""

    prompt: Prompt
    stem: str
    """The name that its examples are filed under."""
    commit: str = ""
    """Its exact version in the hub; empty for a file."""
    had_model: bool = False
    """Whether a model was attached to it, which is left out."""


@dataclass(frozen=True)
class TrialOptions:
    """What a prompt is tried out with."""

    examples: Path | None = None
    """A file of them; None takes those that come with the prompts of that name."""
    model: str | None = None
    """A model below [models]; None is the default one."""


def _models(settings: Settings) -> ModelPool:
    return ModelPool(settings.model, settings.models)


@dataclass(frozen=True)
class PromptDesk:
    """The prompts of a deployment, its hub and its pins. All of it raises `PromptError`, and trials `TurnError`."""

    settings: Settings
    open_hub: Callable[[Settings], AbstractContextManager[Hub]] = open_hub
    models: Callable[[Settings], ModelPool] = _models
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def file(self, name: str) -> Found:
        """The prompt file NAME@VERSION."""
        with _refused_by_name(name):
            return Found(require_usable(load_prompt(name)), stem=name.partition("@")[0])

    def find(self, name: str) -> Found:
        """A file by NAME@VERSION, or what a name of the hub means at this moment."""
        if "@" in name:
            return self.file(name)
        wanted = HubName.parse(name)
        with self.open_hub(self.settings) as hub:
            return read_commit(wanted, hub.commit(wanted))

    def test(self, found: Found, options: TrialOptions) -> list[Trial]:
        """Try its examples out, one after the other; empty where there are none."""
        examples = read_examples(options.examples) if options.examples else examples_of(found.stem)
        if not examples:
            return []
        models = self.models(self.settings)
        try:
            return asyncio.run(try_out(found.prompt, examples, models.get(options.model)))
        finally:
            models.close()

    def push(self, found: Found) -> HubCommit:
        """Add a prompt file to the hub, as the newest version there."""
        with self.open_hub(self.settings) as hub:
            return hub.push(found.stem, to_manifest(found.prompt), f"The file {found.prompt.version}.")

    def pins(self) -> list[Pin]:
        """Everything that is pinned."""
        return open_pins(self.settings).all()

    def pinned(self, name: str) -> Pin:
        """What the name means here."""
        return open_pins(self.settings).get(HubName.parse(name))

    def pin(self, name: str, found: Found) -> Pin:
        """Let the name mean this commit from the next start on. Raises `PromptInUse`."""
        self._require_unused(name, found)
        pin = Pin(
            name=str(HubName.parse(name)),
            commit=found.commit,
            system=found.prompt.system,
            user=found.prompt.user,
            pinned_at=self.now(),
        )
        open_pins(self.settings).put(pin)
        return pin

    def _require_unused(self, name: str, found: Found) -> None:
        wanted = HubName.parse(name)
        used = [arm for arm in self.settings.running_arms if self._means(arm.prompt, wanted)]
        if used and self._commit_of(name) not in (None, found.commit):
            raise PromptInUse(
                f"Arm {used[0].name} of the running experiment answers with {wanted}, and would mix two "
                f"prompts. Give {wanted.at(found.commit)} an arm of its own, or set enabled = false for the experiment."
            )

    def _means(self, prompt: str | None, wanted: HubName) -> bool:
        name = prompt or self.settings.turn.prompt
        return is_hub_name(name) and HubName.parse(name) == wanted

    def _commit_of(self, name: str) -> str | None:
        try:
            return self.pinned(name).commit
        except NotPinned:
            return None


def read_commit(name: HubName, commit: HubCommit) -> Found:
    """The prompt in what the hub gave for a name. Raises `PromptRefused`."""
    with _refused_by_name(str(name)):
        prompt = from_manifest(commit.manifest, str(name.at(commit.hash)))
    return Found(prompt, name.name, commit.hash, has_model(commit.manifest))


@contextmanager
def _refused_by_name(name: str) -> Iterator[None]:
    try:
        yield
    except PromptRefused as error:
        raise PromptRefused(f"{name} cannot be used. {error}") from error
