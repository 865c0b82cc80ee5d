"""Transformer layers with the by-hand masks of their dropout; masks of attention are held fixed."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from .attention import MultiheadAttention
from .dropout import Dropout


class FixedMasks(MultiheadAttention):
    """An attention whose masks have no gradient."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        for name in ("attn_mask", "key_padding_mask"):
            if torch.is_tensor(named.get(name)):
                named[name] = named[name].detach()
        return super().forward(*inputs, **named)


class OwnMasks(nn.Module):
    """Dropout and attention that draw from a generator of NumPy's in the place of PyTorch's own."""

    def __init__(self, *args: Any, generator: np.random.Generator, **options: Any) -> None:
        with warnings.catch_warnings():  # of a short cut that it will not take
            warnings.filterwarnings("ignore", message="enable_nested_tensor is True")
            super().__init__(*args, **options)
        for holder in list(self.modules()):
            for name, part in list(holder.named_children()):
                if isinstance(part, nn.Dropout | Dropout):
                    setattr(holder, name, Dropout(part.p, generator=generator))
                elif isinstance(part, nn.MultiheadAttention):
                    own = FixedMasks(
                        *(part.embed_dim, part.num_heads, part.dropout),
                        bias=part.in_proj_bias is not None,
                        batch_first=part.batch_first,
                        dtype=part.out_proj.weight.dtype,
                        generator=generator,
                    )
                    setattr(holder, name, own)


class TransformerEncoderLayer(OwnMasks, nn.TransformerEncoderLayer):
    """A layer of self-attention."""


class TransformerDecoderLayer(OwnMasks, nn.TransformerDecoderLayer):
    """A layer of self-attention and of attention to a memory."""


class TransformerEncoder(OwnMasks, nn.TransformerEncoder):
    """Layers one above the other, each with masks of its own."""


class TransformerDecoder(OwnMasks, nn.TransformerDecoder):
    """Layers one above the other, each with masks of its own."""


class Transformer(OwnMasks, nn.Transformer):
    """An encoder and a decoder."""
