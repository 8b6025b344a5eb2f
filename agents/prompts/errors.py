"""What is wrong with a prompt, named for the decision that it causes.

PromptError
├── UnknownPrompt   no prompt has this name
├── BadHubName      the text names no prompt of the hub
├── NotPinned       a prompt of the hub was never pulled, or its pin cannot be read
├── PromptRefused   the text is no prompt that a turn could use
└── BadExamples     a file of examples cannot be read
"""

from __future__ import annotations


class PromptError(ValueError):
    """Base of every refusal; its text is a sentence for whoever configures Parley."""


class UnknownPrompt(PromptError):
    """No prompt has this name."""


class BadHubName(PromptError):
    """The text names no prompt of the hub."""


class NotPinned(PromptError):
    """A prompt of the hub was never pulled, or its pin cannot be read."""


class PromptRefused(PromptError):
    """The text is no prompt that a turn could use."""


class BadExamples(PromptError):
    """A file of examples cannot be read."""
