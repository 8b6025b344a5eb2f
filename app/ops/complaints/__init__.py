"""From a thumbs-down to a closed loop: what went wrong, whose it is to mend, and whether it has been mended."""

from __future__ import annotations

from app.ops.complaints.desk import ComplaintDesk
from app.ops.complaints.diagnosis import Diagnosis, diagnose
from app.ops.complaints.sources import Sources, UnknownSources

__all__ = ["ComplaintDesk", "Diagnosis", "Sources", "UnknownSources", "diagnose"]
