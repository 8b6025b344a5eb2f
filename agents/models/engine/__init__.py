"""The local engine: many requests on one model, shared fairly, in a process of its own."""

from agents.models.engine.engine import Engine
from agents.models.engine.forms import CallForm
from agents.models.engine.generation import Completion, Generation, Outcome, Outlook, Said, TokenLogprob
from agents.models.engine.grammar import call_grammar, schema_grammar
from agents.models.engine.requests import Sampling, Specification
from agents.models.engine.template import ChatLine, ToolSpec

__all__ = [
    "CallForm",
    "ChatLine",
    "Completion",
    "Engine",
    "Generation",
    "Outcome",
    "Outlook",
    "Said",
    "Sampling",
    "Specification",
    "TokenLogprob",
    "ToolSpec",
    "call_grammar",
    "schema_grammar",
]
