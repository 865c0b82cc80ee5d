"""Attention: every query takes a mean of the values, weighted by how well their keys fit it.

    scores S = Q Kᵀ/√d + mask        Sᵢⱼ: how well key j fits query i
    weights A = softmax(S)           by row: positive, and they add up to 1
    output Y = A V

Backward, with G = ∂L/∂Y:
    ∂L/∂V = Aᵀ G                     Vⱼ is used by every query i, Aᵢⱼ of it
    ∂L/∂A = G Vᵀ
    ∂L/∂Sᵢⱼ = Aᵢⱼ (∂L/∂Aᵢⱼ − Σₖ Aᵢₖ ∂L/∂Aᵢₖ)
    ∂L/∂Q = ∂L/∂S K/√d,     ∂L/∂K = (∂L/∂S)ᵀ Q/√d

The softmax has a Jacobian for each row, ∂Aᵢₖ/∂Sᵢⱼ = Aᵢₖ ([j = k] − Aᵢⱼ), but multiplied from the
left it needs no matrix: Σₖ ∂L/∂Aᵢₖ Aᵢₖ ([j = k] − Aᵢⱼ) is the line above. Where the mask is −∞ the
weight is 0, and so is the gradient: nothing else is to be done about a mask.

1/√d: a score is a sum of d products; of independent numbers of variance 1 it has the variance d,
which would leave the softmax nearly all on one key.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import FLOATS, Array, float_dtype, summed_to
from ..generator import given_or_new
from ..initializers import xavier_normal_, xavier_uniform_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from .dropout import Dropout
from .linear import Linear


def weights_of(scores: Array, nothing: float) -> Array:
    """The softmax of each row, in place; `nothing` in a row that is −∞ throughout."""
    largest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    empty = largest == -np.inf
    scores -= np.where(empty, 0, largest)
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    scores /= np.where(empty, 1, total)
    if empty.any():
        np.copyto(scores, nothing, where=empty)
    return scores


def through_softmax(A: Array, dA: Array) -> Array:
    """∂L/∂S from A = softmax(S) and ∂L/∂A."""
    dS = dA - (A * dA).sum(axis=-1, keepdims=True)
    dS *= A
    return dS


def causal(queries: int, keys: int) -> Array:
    """(queries, keys): True where a key comes after the query."""
    return np.arange(keys) > np.arange(queries)[:, np.newaxis]


class ScaledDotProductAttention(Module):
    """Y = softmax(Q Kᵀ scale + mask) V: PyTorch's function of that name, as a module.

    Backward    see the top of attention.py: ∂L/∂V = Aᵀ G; ∂L/∂S = A (∂L/∂A − Σₖ A ∂L/∂A) with
                ∂L/∂A = G Vᵀ; ∂L/∂Q = ∂L/∂S K scale, ∂L/∂K = (∂L/∂S)ᵀ Q scale

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

    def sum_lengths(
        self, query: Array, key: Array, value: Array, attn_mask: Any = None
    ) -> dict[str, int]:
        (L, d), S = query.shape[-2:], key.shape[-2]
        groups = query.shape[-3] // key.shape[-3] if self.enable_gqa else 1
        return {"output": d + 2 * S, "input": value.shape[-1] + S + max(d, L * groups, S)}

    def shared(self, x: Array, heads: int) -> Array:
        """Each head as often as queries' heads share it."""
        return np.repeat(x, heads // x.shape[-3], axis=-3)

    def forward(self, query: Array, key: Array, value: Array, attn_mask: Any = None) -> Array:
        dtype = self.check_input(query, None, "query").dtype
        for name, x in (("key", key), ("value", value)):
            self.check_input(x, dtype, name)
        q, k, v = query, key, value
        if min(q.ndim, k.ndim, v.ndim) < 2:
            raise ValueError(f"{self!r}: query, key and value need at least 2 axes")
        if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
            raise ValueError(
                f"{self!r}: query {q.shape}, key {k.shape} and value {v.shape} do not fit"
            )
        if self.enable_gqa:
            if min(q.ndim, k.ndim, v.ndim) < 3 or q.shape[-3] % k.shape[-3]:
                raise ValueError(
                    f"{self!r}: query {q.shape} has not several times the heads of key {k.shape}"
                )
            k, v = self.shared(k, q.shape[-3]), self.shared(v, q.shape[-3])
        scale = 1 / math.sqrt(q.shape[-1]) if self.scale is None else self.scale
        scores = (q @ k.swapaxes(-1, -2)) * q.dtype.type(scale)  # (…, L, S)
        if self.is_causal:
            if attn_mask is not None:
                raise ValueError(f"{self!r}: attn_mask is given, and is_causal is one already")
            scores[..., causal(*scores.shape[-2:])] = -np.inf
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
        scaled = dS * dS.dtype.type(scale)
        dq, dk = scaled @ k, scaled.swapaxes(-1, -2) @ q
        if self.enable_gqa:  # several heads of q used one of k and v
            dk, dv = (
                d.reshape(*d.shape[:-3], x.shape[-3], -1, *d.shape[-2:]).sum(axis=-3)
                for d, x in ((dk, inputs[1]), (dv, inputs[2]))
            )
        gradients = [summed_to(d, x.shape) for d, x in zip((dq, dk, dv), inputs, strict=True)]
        return *gradients, *([] if mask is None else [summed_to(dS, mask)])


class MultiheadAttention(Module):
    """Several attentions side by side, each over a part of the features of its own.

    Forward     Q, K, V = query W_qᵀ + b_q, key W_kᵀ + b_k, value W_vᵀ + b_v; head h gets columns
                h d … (h + 1) d − 1 of each, d = embed_dim/num_heads, and gives Yₕ = Aₕ Vₕ, see the
                top of attention.py; the heads' outputs stand side by side and go through out_proj
    Backward    the linear layers' as in Linear, of each head by itself what attention.py derives;
                a head has no part in the others' columns, so nothing is added up between heads,
                but for the mask, which they share

    Shapes: query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), with batch_first
    (N, L, …), or without the axis of samples; output as query. The weights that come with it are
    (N, L, S), the mean over the heads, or (N, num_heads, L, S).

    forward(query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights,
    is_causal): a mask is True where a key is left out, or a number that is added to the score;
    key_padding_mask is (N, S), attn_mask (L, S) or (N · num_heads, L, S). A query without any key
    gets NaN with need_weights and 0 without, as in PyTorch. is_causal only says what attn_mask is.
    backward(g, g_weights) returns the gradients of query, key and value, and of the masks that are
    numbers.

    Args:
        dropout: the probability of leaving a weight out, while training.
        add_bias_kv: one more key and value, trained, in every sequence: bias_k, bias_v.
        add_zero_attn: one more key and value that are 0.
        kdim, vdim: features of key and value; embed_dim if not given.
        generator: draws the first values, and the masks of the dropout.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.embed_dim = check_positive(self, "embed_dim", embed_dim)
        self.num_heads = check_positive(self, "num_heads", num_heads)
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim {embed_dim} cannot be shared out among "
                f"{num_heads} heads"
            )
        self.kdim = embed_dim if kdim is None else check_positive(self, "kdim", kdim)
        self.vdim = embed_dim if vdim is None else check_positive(self, "vdim", vdim)
        self.dropout, self.bias, self.batch_first = dropout, bool(bias), bool(batch_first)
        self.add_bias_kv, self.add_zero_attn = bool(add_bias_kv), bool(add_zero_attn)
        self.generator = given_or_new(generator)
        self.leave_out = Dropout(dropout, generator=self.generator)
        dtype, E = float_dtype(dtype), embed_dim

        def new(*shape: int) -> Parameter:
            return Parameter(np.empty(shape, dtype))

        if self.kdim == self.vdim == E:
            self.in_proj_weight = new(3 * E, E)
        else:
            self.q_proj_weight = new(E, E)
            self.k_proj_weight, self.v_proj_weight = new(E, self.kdim), new(E, self.vdim)
        self.in_proj_bias = new(3 * E) if bias else None
        self.bias_k = new(1, 1, E) if add_bias_kv else None
        self.bias_v = new(1, 1, E) if add_bias_kv else None
        self.out_proj = Linear(E, E, bias, dtype=dtype, generator=self.generator)
        self.reset_parameters(self.generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Glorot's for what goes in, zero for its biases and the output's."""
        for name, parameter in vars(self).items():
            if name.endswith("weight"):
                xavier_uniform_(parameter, generator=generator)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            self.in_proj_bias.data[...] = 0
            self.out_proj.bias.data[...] = 0
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                xavier_normal_(bias, generator=generator)

    def arguments(self) -> dict[str, Any]:
        same = {n: None for n in ("kdim", "vdim") if getattr(self, n) == self.embed_dim}
        return super().arguments() | same

    def sum_lengths(
        self, query: Array, key: Array, value: Array, *masks: Any, **named: Any
    ) -> dict[str, int]:
        E, d = self.embed_dim, self.embed_dim // self.num_heads
        (L, N), (S, _) = (self.samples_first(x).shape[1::-1] for x in (query, key))
        S += self.add_bias_kv + self.add_zero_attn
        lengths = {
            "output": max(E, self.kdim, self.vdim) + d + 2 * S,
            "input": E + 2 * d + L + 2 * S,
        }
        rows = {
            "in_proj_weight": max(L, S) * N,
            "in_proj_bias": max(L, S) * N,
            "q_proj_weight": L * N,
        }
        rows |= {"k_proj_weight": S * N, "v_proj_weight": S * N, "bias_k": N, "bias_v": N}
        own = dict(self.named_parameters())
        return lengths | {name: n for name, n in rows.items() if name in own}

    def samples_first(self, x: Array) -> Array:
        """(N, L, …), whatever the order of the axes and whether there are samples."""
        if x.ndim == 2:
            return x[np.newaxis]
        return x if self.batch_first else x.swapaxes(0, 1)

    def as_given(self, x: Array, unbatched: bool) -> Array:
        """(N, L, …) as the inputs' axes were."""
        return x[0] if unbatched else x if self.batch_first else x.swapaxes(0, 1)

    def projections(self) -> list[tuple[Array, Array | None]]:
        """The weights and biases of queries, keys and values; views."""
        E, names = self.embed_dim, ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        if hasattr(self, "in_proj_weight"):
            weights = [self.in_proj_weight.data[i * E : (i + 1) * E] for i in range(3)]
        else:
            weights = [getattr(self, name).data for name in names]
        b = self.in_proj_bias
        return [
            (W, None if b is None else b.data[i * E : (i + 1) * E]) for i, W in enumerate(weights)
        ]

    def to_heads(self, x: Array) -> Array:
        """(N, L, E) -> (N, heads, L, d)."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).swapaxes(1, 2)

    def from_heads(self, x: Array) -> Array:
        """(N, heads, L, d) -> (N, L, E)."""
        return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)

    def check_inputs(self, query: Array, key: Array, value: Array) -> list[Array]:
        """The three as (N, L, features).

        Raises:
            ValueError: features, samples or numbers of keys and values do not fit.
        """
        dtype, wanted = self.out_proj.weight.data.dtype, (self.embed_dim, self.kdim, self.vdim)
        named = [("query", query), ("key", key), ("value", value)]
        for (name, x), features in zip(named, wanted, strict=True):
            self.check_input(x, dtype, name)
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != features:
                order = "N, L" if self.batch_first else "L, N"
                raise ValueError(
                    f"{self!r}: {name} has shape {x.shape}, expected ({order}, {features}) or "
                    f"(L, {features}), with as many axes as query"
                )
        inputs = [self.samples_first(x) for _, x in named]
        samples = {x.shape[0] for x in inputs}
        if len(samples) > 1 or inputs[1].shape[1] != inputs[2].shape[1]:
            shapes = " and ".join(f"{name} {x.shape}" for name, x in named)
            raise ValueError(f"{self!r}: the shapes of {shapes} do not fit")
        return inputs

    def add_mask(
        self, scores: Array, name: str, mask: Any, spreads: Mapping[Any, tuple[int, ...]]
    ) -> tuple[tuple[int, ...], bool]:
        """Add a mask to the scores (N, heads, L, S′), the last of whose keys may be added ones.

        Args:
            spreads: for each shape that it may have, the one beside the scores.
        Returns:
            That shape, and whether the mask is of numbers, so that it has a gradient.
        """
        self.check_array(mask, name)
        if mask.shape not in spreads:
            wanted = " or ".join(map(str, spreads))
            raise ValueError(f"{self!r}: {name} has shape {mask.shape}, expected {wanted}")
        spread = spreads[mask.shape]
        seen = scores[..., : spread[-1]]
        if mask.dtype == bool:
            np.copyto(seen, -np.inf, where=mask.reshape(spread))
            return spread, False
        seen += self.check_input(mask, scores.dtype, name).reshape(spread)
        return spread, True

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Array, Array | None]:
        inputs = self.check_inputs(query, key, value)
        (N, L, _), S, heads = inputs[0].shape, inputs[1].shape[1], self.num_heads
        unbatched = query.ndim == 2
        parts = []
        for x, (W, b) in zip(inputs, self.projections(), strict=True):
            parts.append(x @ W.T if b is None else x @ W.T + b)  # (N, L, in) x (in, E)
        for bias, i in ((self.bias_k, 1), (self.bias_v, 2)):
            more = [] if bias is None else [np.broadcast_to(bias.data, (N, 1, self.embed_dim))]
            more += [np.zeros((N, 1, self.embed_dim), query.dtype)] if self.add_zero_attn else []
            parts[i] = np.concatenate([parts[i], *more], axis=1) if more else parts[i]
        q, k, v = map(self.to_heads, parts)
        scale = q.dtype.type(1 / math.sqrt(q.shape[-1]))
        scores = (q * scale) @ k.swapaxes(-1, -2)  # (N, heads, L, S′)
        if is_causal and (attn_mask is None or not self.says_causal(attn_mask)):
            raise ValueError(f"{self!r}: is_causal says that attn_mask is causal, but it is not")
        masks: list[tuple[str, Array, dict[Any, Any]]] = []
        if key_padding_mask is not None:
            padded = [(S,), (1, S)] if unbatched else [(N, S)]
            spread_over = dict.fromkeys(padded, (N, 1, 1, S))
            masks.append(("key_padding_mask", key_padding_mask, spread_over))
        if attn_mask is not None:
            own = {(L, S): (1, 1, L, S), (N * heads, L, S): (N, heads, L, S)}
            masks.append(("attn_mask", attn_mask, own))
        numbers = []  # masks of numbers, which have a gradient
        for name, mask, shapes in masks:
            spread, of_numbers = self.add_mask(scores, name, mask, shapes)
            numbers += [(spread, mask.shape)] if of_numbers else []
        A = weights_of(scores, math.nan if need_weights else 0.0)
        used = self.leave_out(A) if self.dropout else A
        y = self.out_proj(self.from_heads(used @ v))
        self.save_for_backward(inputs, q, k, v, A, used, numbers, unbatched, average_attn_weights)
        if not need_weights:
            return self.as_given(y, unbatched), None
        weights = used.mean(axis=1) if average_attn_weights else used.copy()
        return self.as_given(y, unbatched), weights[0] if unbatched else weights

    def says_causal(self, mask: Array) -> bool:
        """Whether a mask leaves out exactly what comes later."""
        if mask.ndim != 2:
            return False
        return np.array_equal(mask if mask.dtype == bool else mask == -np.inf, causal(*mask.shape))

    def backward(self, g: Array | None, g_weights: Array | None = None) -> Any:
        inputs, q, k, v, A, used, masks, unbatched, mean = self.take_saved(g, g_weights)
        (N, L, _), S = inputs[0].shape, inputs[1].shape[1]
        # y = out_proj(from_heads(used @ v))
        g = np.zeros((N, L, self.embed_dim), q.dtype) if g is None else self.samples_first(g)
        g = self.to_heads(self.out_proj.backward(g))
        dv = used.swapaxes(-1, -2) @ g
        dA = g @ v.swapaxes(-1, -2)
        if g_weights is not None:  # the weights are an output too
            own = g_weights.reshape(N, -1, *dA.shape[2:])
            dA += own / self.num_heads if mean else own
        if self.dropout:
            dA = self.leave_out.backward(dA)
        dS = through_softmax(A, dA)
        # scores = (q · scale) @ kᵀ + masks
        scale = q.dtype.type(1 / math.sqrt(q.shape[-1]))
        dq, dk = (dS @ k) * scale, dS.swapaxes(-1, -2) @ (q * scale)
        parts = [self.from_heads(d) for d in (dq, dk, dv)]
        for bias, i in ((self.bias_k, 1), (self.bias_v, 2)):
            if bias is not None:
                bias.accumulate(parts[i][:, S].sum(axis=0).reshape(bias.shape))
            parts[i] = parts[i][:, :S]
        gradients = self.back_through_projections(parts, inputs)
        gradients = [self.as_given(d, unbatched) for d in gradients]
        seen = dS[..., :S]
        return *gradients, *(summed_to(seen, spread).reshape(shape) for spread, shape in masks)

    def back_through_projections(self, parts: list[Array], inputs: list[Array]) -> list[Array]:
        """∂L/∂x of query, key and value from those of Q, K and V, each (N, L, E)."""
        rows = [d.reshape(-1, self.embed_dim) for d in parts]
        pairs = zip(rows, inputs, strict=True)
        by_weight = [d.T @ x.reshape(-1, x.shape[-1]) for d, x in pairs]  # (E, n) x (n, in)
        if hasattr(self, "in_proj_weight"):
            self.in_proj_weight.accumulate(np.concatenate(by_weight))
        else:
            self.q_proj_weight.accumulate(by_weight[0])
            self.k_proj_weight.accumulate(by_weight[1])
            self.v_proj_weight.accumulate(by_weight[2])
        if self.in_proj_bias is not None:
            self.in_proj_bias.accumulate(np.concatenate([d.sum(axis=0) for d in rows]))
        return [d @ W for d, (W, _) in zip(parts, self.projections(), strict=True)]
