"""Attention whose weights are left out by the by-hand module's own masks."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, softmax

from manual.generator import given_or_new

from .dropout import Dropout


def to_heads(x: Tensor, heads: int) -> Tensor:
    """(N, T, heads · d) -> (N, heads, T, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def from_heads(x: Tensor) -> Tensor:
    """(N, heads, T, d) -> (N, T, heads · d)."""
    return x.transpose(1, 2).flatten(2)


class ScaledDotProductAttention(nn.Module):
    """PyTorch's function as a module; with dropout written out, with the by-hand masks."""

    def __init__(
        self,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.is_causal, self.scale, self.enable_gqa = is_causal, scale, enable_gqa
        self.leave_out = Dropout(dropout_p, generator=given_or_new(generator))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
    ) -> Tensor:
        if not (self.leave_out.p and self.training):
            return scaled_dot_product_attention(
                query,
                key,
                value,
                attn_mask,
                is_causal=self.is_causal,
                scale=self.scale,
                enable_gqa=self.enable_gqa,
            )
        scale = 1 / math.sqrt(query.shape[-1]) if self.scale is None else self.scale
        scores = query @ key.transpose(-2, -1) * scale
        if self.is_causal:
            scores = scores + torch.full(scores.shape[-2:], -math.inf, dtype=scores.dtype).triu(1)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
        return self.leave_out(softmax(scores, -1)) @ value


def as_numbers(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to a score: −∞ where the mask is True."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -math.inf)


class MultiheadAttention(nn.MultiheadAttention):
    """PyTorch's; where it would draw masks of its own it is written out, with those by hand."""

    def __init__(self, *args: Any, generator: np.random.Generator, **options: Any) -> None:
        super().__init__(*args, **options)
        self.leave_out = Dropout(self.dropout, generator=generator)

    def forward(self, *args: Any, **named: Any) -> Any:
        if self.leave_out.p and self.training:
            return self.with_masks(*args, **named)
        return super().forward(*args, **named)

    def with_masks(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The forward pass written out, for inputs with an axis of samples."""
        if not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (
            to_heads(linear(x, W, b), self.num_heads)
            for x, W, b in zip((query, key, value), weights, biases, strict=True)
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if key_padding_mask is not None:
            scores = scores + as_numbers(key_padding_mask, scores.dtype)[:, None, None]
        if attn_mask is not None:
            scores = scores + as_numbers(attn_mask, scores.dtype)
        used = self.leave_out(softmax(scores, -1))
        y = self.out_proj(from_heads(used @ v))
        weights_out = (used.mean(1) if average_attn_weights else used) if need_weights else None
        return (y if self.batch_first else y.transpose(0, 1)), weights_out
