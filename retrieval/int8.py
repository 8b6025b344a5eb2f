"""Sentence encoders in int8, on processors that multiply it faster than floats."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

AGREEMENT = 0.99
"""Cosine that each probe's vectors before and after must reach, so that both can stand in one index."""
_PROBES = [
    "How many days of leave carry over into the next year?",
    "Invoices above 2,500 euros are approved by the head of department; travel costs are not.",
    "def restart(service): return client.post(f'/services/{service}/restart', timeout=30)",
    "Wer darf eine Dienstreise genehmigen, und bis wann muss der Antrag gestellt sein?",
    "Enzyme",
    "The committee met twice in March. It heard the engineers first, then the tenants, and put off its vote. " * 4,
]
_TINY = 1e-9


class NotQuantized(Exception):
    """The encoder stays in floats; the message says why."""


def is_faster_here(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor can sum up products of int8 in one step (AVX-512 VNNI), which makes them worth it."""
    try:
        return "avx512_vnni" in cpuinfo.read_text(encoding="utf-8").split()
    except OSError:
        return False


def quantize(model: SentenceTransformer) -> None:
    """Replace the model's linear layers; raises NotQuantized, the model as it was, where its vectors would change."""
    layers = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer) is nn.Linear
    ]
    before = _probe(model)
    try:
        for parent, name, layer in layers:
            setattr(parent, name, Int8Linear(layer))
        agreement = float(np.sum(before * _probe(model), axis=1).min())
        if not agreement >= AGREEMENT:
            raise NotQuantized(f"its vectors would agree only to {agreement:.3f}")
    except (AttributeError, RuntimeError, TypeError, NotQuantized) as error:
        for parent, name, layer in layers:
            setattr(parent, name, layer)
        raise NotQuantized(str(error)) from error


def _probe(model: SentenceTransformer) -> np.ndarray:
    return np.asarray(model.encode(_PROBES, normalize_embeddings=True, show_progress_bar=False), dtype=np.float32)


class Int8Linear(nn.Module):
    """`nn.Linear` with weights of int8, each output's on a scale of its own.

    The kernel rounds its whole input on one scale. Each row is therefore stretched to 0..1 first: one large value would
    else blunt every row, and a text's vector would depend on the texts beside it.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = _rounded(linear.weight.detach())
        self._packed = torch.ops.quantized.linear_prepack(weight, None)
        self._sums = weight.dequantize().sum(1)
        self._bias = torch.zeros_like(self._sums) if linear.bias is None else linear.bias.detach()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        low = rows.amin(-1, keepdim=True)
        reach = (rows.amax(-1, keepdim=True) - low).clamp_min_(_TINY)
        product = torch.ops.quantized.linear_dynamic((rows - low).div_(reach), self._packed, False)
        return torch.addcmul(self._bias, low, self._sums).addcmul_(product, reach)


def _rounded(weight: torch.Tensor) -> torch.Tensor:
    scales = weight.abs().amax(1).clamp_min(_TINY).double() / 127
    with warnings.catch_warnings():
        # What torch offers in its place is made for compiled models, and is slower here.
        warnings.filterwarnings("ignore", message=".*quantized tensor creation functions")
        return torch.quantize_per_channel(weight, scales, torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8)
