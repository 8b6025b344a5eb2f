"""The pinned prompts of a deployment: where they lie, and those that its turns may name."""

from __future__ import annotations

from agents.prompts import Prompt
from agents.prompts.errors import NotPinned
from agents.prompts.hub_name import HubName, is_hub_name
from agents.prompts.pins import Pins
from app.settings import ConfigurationError, Settings


def open_pins(settings: Settings) -> Pins:
    """The pins of the data directory."""
    return Pins(settings.data_dir / "prompts")


def copy_pins(source: Settings, target: Settings) -> None:
    """Pin for one deployment what is pinned for another."""
    pins = open_pins(target)
    for pin in open_pins(source).all():
        pins.put(pin)


def pinned_prompts(settings: Settings) -> dict[str, Prompt]:
    """What the default prompt and those of the running arms mean, where they are of the hub.

    Raises `ConfigurationError` for one that is not pinned.
    """
    pins = open_pins(settings)
    named = {"turn.prompt": settings.turn.prompt}
    named |= {f"experiments: arm {arm.name}": arm.prompt for arm in settings.running_arms if arm.prompt}
    found = {}
    for place, name in named.items():
        if is_hub_name(name):
            try:
                found[name] = pins.get(HubName.parse(name)).prompt
            except NotPinned as error:
                raise ConfigurationError(f"{place}: {error}") from error
    return found
