"""What can go wrong in retrieval, named for the decision that it causes.

RetrievalError
├── CorpusBusy           another draft is open: wait for it
├── StoreUnavailable     the passage store cannot be opened or reached: repair or reconfigure it
├── EncoderUnavailable   the sentence encoder cannot be loaded: install or name another
└── NoSuchRelease        the release is not kept: choose one that is
"""

from __future__ import annotations


class RetrievalError(Exception):
    """Base of every failure of retrieval. Its message says what to do."""


class CorpusBusy(RetrievalError):
    """Another draft of the corpus is open, in this process or another."""

    def __init__(self) -> None:
        super().__init__("Another ingest is writing to this corpus. Wait until it has finished, then run yours again.")


class StoreUnavailable(RetrievalError):
    """The passage store cannot be opened or reached."""


class EncoderUnavailable(RetrievalError):
    """The sentence encoder cannot be loaded."""


class NoSuchRelease(RetrievalError):
    """The release was pruned or never made, or there is none."""
