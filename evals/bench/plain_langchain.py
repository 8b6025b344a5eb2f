"""The pipeline of a LangChain tutorial: read, split, embed, store; the encoder and the store are the usual packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from retrieval.embedding import encoder_files

_PACKAGES = ("langchain_huggingface", "langchain_qdrant", "langchain_text_splitters")
CHUNK_CHARACTERS = 1000
OVERLAP_CHARACTERS = 200


def missing() -> list[str]:
    """The packages that it needs and that are not installed."""
    return [name for name in _PACKAGES if not find_spec(name)]


class Pipeline:
    """Embeds with the named encoder, which is loaded now."""

    def __init__(self, encoder: str) -> None:
        from langchain_huggingface import HuggingFaceEmbeddings

        self._embeddings = HuggingFaceEmbeddings(model_name=encoder_files(encoder))

    def ingest(self, files: Path) -> None:
        """Read every file of a folder into a new local store."""
        from langchain_qdrant import QdrantVectorStore
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        splitter = RecursiveCharacterTextSplitter(chunk_size=CHUNK_CHARACTERS, chunk_overlap=OVERLAP_CHARACTERS)
        documents = [_read(path) for path in sorted(files.iterdir())]
        QdrantVectorStore.from_documents(
            splitter.split_documents(documents), self._embeddings, location=":memory:", collection_name="bench"
        )


def _read(path: Path) -> Document:
    return Document(Blob.from_path(path).as_string(), metadata={"source": path.name})
