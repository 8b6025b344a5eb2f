"""Language models: the local one, hosted ones, and one that needs neither weights nor a network."""

from agents.models.pool import ModelPool, build_model
from agents.models.settings import ModelSettings

__all__ = ["ModelPool", "ModelSettings", "build_model"]
