"""Which rails run where, and what each of them does with what it finds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Handling = Literal["off", "warn", "redact", "block"]
"""What happens to a text in which a rail finds something: nothing looked for, noted, replaced, refused."""

Refusal = Literal["off", "warn", "block"]
"""As `Handling`, for findings that cannot be cut out of a text."""


class PiiSettings(BaseModel):
    """Personal data: email addresses, phone and card numbers, IBANs, IP addresses, social security numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Handling = "redact"
    """For questions."""
    output: Handling = "redact"
    """For answers. Set `off` or `warn` where documents publish contacts that readers should see."""
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "IN")
    """Countries whose national phone formats are known; numbers that begin with + are found for every country."""


class SecretsSettings(BaseModel):
    """Credentials: API keys, tokens, private keys, passwords that are assigned to a name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Handling = "redact"
    """For questions."""
    output: Handling = "redact"
    """For answers."""


class InjectionSettings(BaseModel):
    """Text that tries to give the model orders of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Refusal = "block"
    """For questions."""
    passages: Refusal = "block"
    """For retrieved passages; a blocked one is left out of the evidence."""
    threshold: float = Field(default=1.0, gt=0)
    """Summed weight of signals from which on a text counts as an injection; lower is stricter."""


class RailsSettings(BaseModel):
    """The rails around a turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pii: PiiSettings = PiiSettings()
    """Personal data."""
    secrets: SecretsSettings = SecretsSettings()
    """Credentials."""
    injection: InjectionSettings = InjectionSettings()
    """Orders to the model."""
