"""The comparison's address: which experiments, which examples, and what is compared with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request

from app.ops.views.addresses import dataset_url
from app.ops.views.lists import asked, page_number
from app.ops.views.turns import uuid_or_none

MOST = 4
"""So many experiments stand beside each other."""
SHOWS = {
    "all": "All examples",
    "worse": "Worse than the baseline",
    "better": "Better than the baseline",
    "errors": "With an error",
}
AGAINST = {"reference": "the expected outputs", "baseline": "the baseline", "nothing": "nothing"}


@dataclass(frozen=True)
class Query:
    """What an address asks of the comparison."""

    dataset_id: UUID
    ids: list[UUID]
    """The experiments, the baseline first."""
    comparison_id: UUID | None
    show: str
    key: str
    """Only by this key of feedback; empty for any."""
    against: str
    turned_keys: tuple[str, ...]
    """Keys that are read the other way than their config says."""
    page: int

    def url(self, **changes: Any) -> str:
        """The address of the same comparison but for these changes; another filter begins at the first page."""
        query = {
            "selectedSessions": ",".join(map(str, self.ids)),
            "comparativeExperiment": self.comparison_id,
            "show": None if self.show == "all" else self.show,
            "key": self.key,
            "against": None if self.against == "reference" else self.against,
            "turn": list(self.turned_keys),
        }
        return dataset_url(self.dataset_id, "compare", **(query | changes))

    def with_baseline(self, experiment: UUID) -> str:
        """The address with another baseline."""
        return self.url(selectedSessions=",".join(map(str, sorted(self.ids, key=lambda one: one != experiment))))

    def turned(self, key: str) -> str:
        """The address on which the other way of this key is the better one."""
        return self.url(turn=sorted({*self.turned_keys} ^ {key}))


def read_query(dataset_id: UUID, request: Request) -> Query:
    """What the address asks for; what makes no sense is left out."""
    params = request.query_params
    ticked = params.getlist("experiment")[::-1]  # a list has the newest first, and the oldest is the baseline
    texts = [*ticked, *asked(params, "selectedSessions").split(",")]
    ids = list(dict.fromkeys(one for text in texts if (one := uuid_or_none(text))))
    if baseline := uuid_or_none(asked(params, "baseline")):
        ids = sorted({*ids, baseline}, key=lambda one: (one != baseline, ids.index(one) if one in ids else 0))
    return Query(
        dataset_id=dataset_id,
        ids=ids[: MOST + 1],
        comparison_id=uuid_or_none(asked(params, "comparativeExperiment")),
        show=show if (show := asked(params, "show")) in SHOWS else "all",
        key=asked(params, "key"),
        against=against if (against := asked(params, "against")) in AGAINST else "reference",
        turned_keys=tuple(sorted(set(params.getlist("turn")[:50]))),
        page=page_number(params),
    )
