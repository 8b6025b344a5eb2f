"""Prompts: versioned files, named `NAME@VERSION.md`, and pinned commits of the prompt hub.

A file is never changed once it has been used: `released.sha256` holds the hash of each.
"""

from agents.prompts.errors import PromptError, UnknownPrompt
from agents.prompts.loader import LoadPrompt, known_prompts, load_prompt
from agents.prompts.prompt import Prompt

__all__ = ["LoadPrompt", "Prompt", "PromptError", "UnknownPrompt", "known_prompts", "load_prompt"]
