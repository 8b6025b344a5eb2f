"""Which answers rest on which passages, and which of these have changed since."""

from __future__ import annotations

from app.evidence.clearance import Clearance
from app.evidence.ledger import Ledger, StaleSource
from app.evidence.watch import Watch

__all__ = ["Clearance", "Ledger", "StaleSource", "Watch"]
