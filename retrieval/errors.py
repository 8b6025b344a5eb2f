"""What can go wrong in retrieval, named for the decision that it causes.

RetrievalError
├── CorpusBusy           another draft is open: wait for it
├── StoreUnavailable     the passage store cannot be opened or reached: repair or reconfigure it
├── EncoderUnavailable   the sentence encoder cannot be loaded: install or name another
├── NoSuchRelease        the release is not kept: choose one that is
└── EncoderChanged       the corpus was embedded by another encoder: set it back or ingest anew
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


class EncoderChanged(RetrievalError):
    """The corpus was embedded by another encoder than the configured one, so their vectors do not compare."""

    def __init__(self, stored: str, configured: str) -> None:
        super().__init__(
            f"The corpus was embedded with {stored!r}, but retrieval.encoder is now {configured!r}. "
            "Set it back, or move the corpus folder away and ingest again."
        )


class NoSuchRelease(RetrievalError):
    """The release was pruned or never made, or there is none."""
