"""`python -m evals.bench.engines DATA_DIR`: load the raw engines over an ingested corpus, say so, and wait."""

from __future__ import annotations

import signal
import sys
from pathlib import Path


def main(data_dir: Path) -> None:
    """Load and use each engine once, as a warm server has."""
    import qdrant_edge as edge
    from llama_cpp import Llama

    from agents.models.files import find_gguf
    from agents.models.settings import ModelSettings
    from app.environment import prepare_environment
    from retrieval.embedding import load_sentence_transformer
    from retrieval.settings import RetrievalSettings

    prepare_environment()
    (folder,) = (data_dir / "corpus" / "passages").iterdir()
    shard = edge.EdgeShard.load(str(folder))
    encoder = load_sentence_transformer(RetrievalSettings().encoder, allow_hub=False)
    encoder.encode(["How do I ingest a folder?"])
    llama = Llama(str(find_gguf("local")), n_ctx=ModelSettings().context_tokens, verbose=False)
    llama("Hello.", max_tokens=1)
    sys.stdout.write(f"ready, {shard.info().points_count} passages\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
