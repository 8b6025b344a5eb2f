"""Loading a Qdrant server: uploads side by side, and the graph index built once, when everything is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from retrieval.errors import StoreUnavailable

DEFERRED = models.HnswConfigDiff(m=0)
"""Of a collection that nobody reads yet: no graph is built while points come in."""
_BUILT = models.HnswConfigDiff(m=16)
_REQUEST_POINTS = 64
_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_LOOK_EVERY_S = 0.5
_TOO_MANY_REQUESTS = 429

Sleep = Callable[[float], None]


def upload(
    client: QdrantClient,
    collection: str,
    points: Sequence[models.PointStruct],
    *,
    streams: int,
    sleep: Sleep = time.sleep,
) -> None:
    """Store points, in up to `streams` requests at a time; each is sent again where the server stumbles over it."""

    def put(some: Sequence[models.PointStruct]) -> None:
        _patiently(lambda: client.upsert(collection, list(some), wait=True), sleep)

    parts = [points[start : start + _REQUEST_POINTS] for start in range(0, len(points), _REQUEST_POINTS)]
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(put, parts))


def settle(client: QdrantClient, collection: str, sleep: Sleep = time.sleep) -> None:
    """Have the graph built where it was deferred, and wait until the optimiser has nothing more to do.

    Raises StoreUnavailable where it gave up.
    """
    if client.get_collection(collection).config.hnsw_config.m == DEFERRED.m:
        client.update_collection(collection, hnsw_config=_BUILT)
    while (state := client.get_collection(collection)).status == models.CollectionStatus.YELLOW:
        sleep(_LOOK_EVERY_S)
    if isinstance(state.optimizer_status, models.OptimizersStatusOneOf1):
        raise StoreUnavailable(
            f"The Qdrant server could not build the index of {collection!r}: {state.optimizer_status.error}. "
            "See its log, and ingest again."
        )


def _patiently(request: Callable[[], object], sleep: Sleep) -> None:
    """Try again, a little later each time, as long as that may help."""
    for wait_s in _WAITS_S:
        try:
            request()
            return
        except (ResponseHandlingException, UnexpectedResponse) as error:
            if _is_refusal(error):
                raise
        sleep(wait_s)
    request()


def _is_refusal(error: ResponseHandlingException | UnexpectedResponse) -> bool:
    status = error.status_code if isinstance(error, UnexpectedResponse) else None
    return status is not None and status < 500 and status != _TOO_MANY_REQUESTS
