"""Int8: the same vectors but for rounding, and floats where that does not hold."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from retrieval.embedding import SentenceTransformerEmbedder, load_sentence_transformer
from retrieval.errors import EncoderUnavailable
from retrieval.int8 import Int8Linear, NotQuantized, is_faster_here, quantize
from retrieval.settings import RetrievalSettings

ENCODER = RetrievalSettings().encoder
TEXTS = ["leave", "How many leave days carry over?", "the dog ran " * 60, "Überstunden 2023", ""]

needs_vnni = pytest.mark.skipif(not is_faster_here(), reason="this processor has no AVX-512 VNNI")


def test_the_processor_is_asked_whether_int8_is_faster(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f avx512_vnni avx512_bitalg\n")
    assert is_faster_here(cpuinfo)
    cpuinfo.write_text("flags\t\t: fpu avx2 avx512f not_avx512_vnni\n")
    assert not is_faster_here(cpuinfo)
    assert not is_faster_here(tmp_path / "missing")


@needs_vnni
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_in_int8_gives_nearly_the_same(bias: bool) -> None:
    torch.manual_seed(3)
    layer = nn.Linear(64, 32, bias=bias)
    rows = torch.randn(3, 5, 64)
    rows[0, 0] = 0
    with torch.inference_mode():
        exact, rounded = layer(rows), Int8Linear(layer)(rows)
    assert rounded.shape == exact.shape
    assert torch.allclose(rounded, exact, atol=0.02)
    assert not torch.equal(rounded, exact)


@needs_vnni
def test_a_large_row_does_not_blunt_the_others() -> None:
    torch.manual_seed(3)
    layer = nn.Linear(64, 32)
    rows = torch.randn(4, 64)
    beside_a_large_one = torch.cat([rows, 1000 * torch.randn(1, 64)])
    with torch.inference_mode():
        quantized = Int8Linear(layer)
        assert torch.allclose(quantized(beside_a_large_one)[:4], quantized(rows), atol=0.02)


@needs_vnni
@pytest.mark.model
def test_vectors_in_int8_compare_with_those_in_fp32() -> None:
    exact = SentenceTransformerEmbedder(ENCODER, precision="fp32").encode(TEXTS)
    rounded = SentenceTransformerEmbedder(ENCODER, precision="int8").encode(TEXTS)
    assert np.sum(exact * rounded, axis=1).min() > 0.99
    assert not np.allclose(exact, rounded, atol=1e-4)


@needs_vnni
@pytest.mark.model
def test_int8_is_chosen_where_it_is_faster() -> None:
    chosen, rounded = (SentenceTransformerEmbedder(ENCODER, precision=each) for each in ("auto", "int8"))
    assert np.array_equal(chosen.encode(TEXTS), rounded.encode(TEXTS))
    assert chosen.name == rounded.name


@pytest.mark.model
def test_an_encoder_that_int8_would_change_stays_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = str(tmp_path / "encoder")
    _with_a_huge_weight().save(folder)
    model = load_sentence_transformer(folder, allow_hub=False)
    with pytest.raises(NotQuantized, match="agree"):
        quantize(model)
    assert not any(isinstance(module, Int8Linear) for module in model.modules())
    with pytest.raises(EncoderUnavailable, match=r"retrieval\.precision"):
        SentenceTransformerEmbedder(folder, precision="int8").encode(TEXTS)
    if is_faster_here():
        with caplog.at_level(logging.WARNING):
            SentenceTransformerEmbedder(folder).encode(TEXTS)
        assert "fp32, not in int8" in caplog.text


def _with_a_huge_weight() -> SentenceTransformer:
    """The encoder, with one weight in each row of some layers beside which the others are nothing in int8."""
    model = load_sentence_transformer(ENCODER, allow_hub=False)
    with torch.no_grad():
        for layer in model[0].model.encoder.layer:
            layer.output.dense.weight[:, 0] = 1e4
    return model
