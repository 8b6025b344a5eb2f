"""The local engine: many requests on one model, shared fairly, in a process of its own."""

from agents.models.engine.engine import Completion, Engine, Generation, Outcome, Outlook
from agents.models.engine.grammar import schema_grammar
from agents.models.engine.requests import Sampling
from agents.models.engine.vocabulary import ChatLine

__all__ = ["ChatLine", "Completion", "Engine", "Generation", "Outcome", "Outlook", "Sampling", "schema_grammar"]
