"""What goes into a turn and what comes out of it is checked here: personal data, secrets, injected orders.

Importing this package is quick; `Rails.warm` loads the libraries.
"""

from rails.rails import Rails
from rails.settings import RailsSettings
from rails.stream import SentenceGate
from rails.verdict import Checked, RailFailed, Verdict

__all__ = ["Checked", "RailFailed", "Rails", "RailsSettings", "SentenceGate", "Verdict"]
