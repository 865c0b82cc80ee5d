"""Attention: every query takes a mean of the values, weighted by how well their keys fit it.

    S = Q Kᵀ/√d + M                 scores: Sᵢⱼ, how well key j fits query i; M is the mask
    Aᵢⱼ = e^Sᵢⱼ/Σₖ e^Sᵢₖ            weights: the softmax of each row
    Y = A V

Backward, with G = ∂L/∂Y; of a matrix product as in Linear:
    ∂L/∂V = Aᵀ G                    Vⱼ is used by every query i, Aᵢⱼ of it
    ∂L/∂A = G Vᵀ
    ∂L/∂Sᵢⱼ = Σₖ ∂L/∂Aᵢₖ ∂Aᵢₖ/∂Sᵢⱼ                     chain rule: Sᵢⱼ is in all of its row of A
            = Σₖ ∂L/∂Aᵢₖ Aᵢₖ ([j = k] − Aᵢⱼ)           see Softmax
            = Aᵢⱼ (∂L/∂Aᵢⱼ − Σₖ Aᵢₖ ∂L/∂Aᵢₖ)
    ∂L/∂Q = ∂L/∂S K/√d              S is a matrix product as well, over √d
    ∂L/∂K = (∂L/∂S)ᵀ Q/√d
Where the mask is −∞ the weight is 0, and so is the gradient: nothing else is to be done about it.

1/√d: a score is a sum of d products; of independent numbers of variance 1 it has the variance d,
which would leave the softmax nearly all on one key.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import FLOATS, Array, summed_to
from ..generator import given_or_new
from ..module import Module
from ..reductions import row_maxima, row_sums
from .dropout import Dropout


def weights_of(scores: Array, nothing: float) -> Array:
    """The softmax of each row, in place; `nothing` in a row that is −∞ throughout."""
    largest = row_maxima(scores)
    empty = largest == -np.inf
    some_empty = empty.any()
    if some_empty:
        largest[empty] = 0
    scores -= largest
    np.exp(scores, out=scores)
    total = row_sums(scores)[..., np.newaxis]
    if some_empty:
        total[empty] = 1
    scores /= total
    if some_empty:
        np.copyto(scores, nothing, where=empty)
    return scores


def through_softmax(A: Array, dA: Array) -> Array:
    """∂L/∂S from A = softmax(S) and ∂L/∂A, whose place it takes."""
    dA -= np.vecdot(A, dA)[..., np.newaxis]
    dA *= A
    return dA


@lru_cache(4)  # each may be large
def causal(queries: int, keys: int) -> Array:
    """(queries, keys): True where a key comes after the query. Not to be written to."""
    mask: Array = np.arange(keys) > np.arange(queries)[:, np.newaxis]
    mask.flags.writeable = False
    return mask


def to_heads(x: Array, heads: int) -> Array:
    """(N, T, heads · d) -> (N, heads, T, d): each head has columns of its own."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def from_heads(x: Array) -> Array:
    """(N, heads, T, d) -> (N, T, heads · d)."""
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


class ScaledDotProductAttention(Module):
    """Y = softmax(Q Kᵀ s + M) V, with s the scale: PyTorch's function of that name, as a module.

    Backward as at the top of attention.py, with s for 1/√d. Of the mask M, which is added to the
    scores: its gradient is theirs, over all that share it added up.

    Shapes: query (…, L, d), key (…, S, d), value (…, S, d_v), attn_mask broadcast to (…, L, S):
    True where a key takes part, or a number that is added to the score; output (…, L, d_v). A query
    without any key gets 0.

    Args:
        dropout_p: the probability of leaving a weight out, while training.
        is_causal: a query sees no key that comes after it.
        scale: 1/√d if not given.
        enable_gqa: query has several times the heads, axis −3, of key and value: as many following
            ones share one of these; their gradients add up.
        generator: draws the masks of the dropout.
    """

    def __init__(
        self,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.dropout_p, self.is_causal = dropout_p, is_causal
        self.scale, self.enable_gqa = scale, enable_gqa
        self.generator = given_or_new(generator)
        self.leave_out = Dropout(dropout_p, generator=self.generator)

    def __repr__(self) -> str:  # the dropout inside is one of its arguments
        return self.one_line()

    def sum_lengths(
        self, query: Array, key: Array, value: Array, attn_mask: Any = None
    ) -> dict[str, int]:
        (L, d), S = query.shape[-2:], key.shape[-2]
        groups = query.shape[-3] // key.shape[-3] if self.enable_gqa else 1
        return {"output": d + 2 * S, "input": value.shape[-1] + S + max(d, L * groups, S)}

    def shared(self, x: Array, heads: int) -> Array:
        """Each head as often as queries' heads share it."""
        return np.repeat(x, heads // x.shape[-3], axis=-3)

    def fit(self, q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> bool:
        """Whether these are shapes of queries, keys and values that belong together."""
        if min(map(len, (q, k, v))) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
            return False
        heads = 3 if self.enable_gqa else 2  # of which there may be several times as many
        try:
            np.broadcast_shapes(*(shape[:-heads] for shape in (q, k, v)))
        except ValueError:
            return False
        return True

    def forward(self, query: Array, key: Array, value: Array, attn_mask: Any = None) -> Array:
        dtype = self.check_input(query, None, "query").dtype
        for name, x in (("key", key), ("value", value)):
            self.check_input(x, dtype, name)
        q, k, v = query, key, value
        if not self.fit(q.shape, k.shape, v.shape):
            raise ValueError(
                f"{self!r}: query {q.shape}, key {k.shape} and value {v.shape} do not fit, "
                "expected (…, L, d), (…, S, d) and (…, S, d_v)"
            )
        if self.enable_gqa:
            if min(q.ndim, k.ndim, v.ndim) < 3 or q.shape[-3] % k.shape[-3]:
                raise ValueError(
                    f"{self!r}: query {q.shape} has not several times the heads of key {k.shape}"
                )
            k, v = self.shared(k, q.shape[-3]), self.shared(v, q.shape[-3])
        scale = 1 / math.sqrt(q.shape[-1]) if self.scale is None else self.scale
        q = q * q.dtype.type(scale)
        scores = q @ k.swapaxes(-1, -2)  # (…, L, S)
        if self.is_causal:
            if attn_mask is not None:
                raise ValueError(f"{self!r}: attn_mask is given, and is_causal is one already")
            np.copyto(scores, -np.inf, where=causal(*scores.shape[-2:]))
        shape = None
        if attn_mask is not None:
            scores = self.masked(scores, attn_mask)
            shape = attn_mask.shape if attn_mask.dtype in FLOATS else None
        A = weights_of(scores, 0.0)
        used = self.leave_out(A) if self.dropout_p else A
        self.save_for_backward(q, k, v, A, used, scale, (query, key, value), shape)
        return used @ v

    def masked(self, scores: Array, mask: Array) -> Array:
        """The scores with a mask."""
        if mask.dtype == bool:
            return np.where(mask, scores, scores.dtype.type(-np.inf))
        return scores + self.check_input(mask, scores.dtype, "attn_mask")

    def backward(self, g: Array) -> Any:
        q, k, v, A, used, scale, inputs, mask = self.take_saved(g)
        # y = used @ v, used = leave_out(A)
        dv = used.swapaxes(-1, -2) @ g  # (…, S, L) x (…, L, d_v)
        dA = g @ v.swapaxes(-1, -2)
        if self.dropout_p:
            dA = self.leave_out.backward(dA)
        # A = softmax(scores)
        dS = through_softmax(A, dA)
        # scores = (q scale) @ kᵀ, and it is q scale that was saved
        dq, dk = dS @ k, dS.swapaxes(-1, -2) @ q
        dq *= dq.dtype.type(scale)
        if self.enable_gqa:  # several heads of q used one of k and v
            dk, dv = (
                d.reshape(*d.shape[:-3], x.shape[-3], -1, *d.shape[-2:]).sum(axis=-3)
                for d, x in ((dk, inputs[1]), (dv, inputs[2]))
            )
        gradients = [summed_to(d, x.shape) for d, x in zip((dq, dk, dv), inputs, strict=True)]
        if mask is not None:
            gradients.append(summed_to(dS, mask))
        return tuple(gradients)
