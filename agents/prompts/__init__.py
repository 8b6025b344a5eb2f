"""Prompts: versioned files, named `NAME@VERSION.md`, that are never changed once they have been used."""

from agents.prompts.loader import Prompt, UnknownPrompt, known_prompts, load_prompt

__all__ = ["Prompt", "UnknownPrompt", "known_prompts", "load_prompt"]
