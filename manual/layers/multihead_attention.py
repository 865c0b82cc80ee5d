"""MultiheadAttention: attentions side by side, each over features of its own; see attention.py."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype, summed_to
from ..generator import given_or_new
from ..initializers import xavier_normal_, xavier_uniform_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from .attention import causal, from_heads, through_softmax, to_heads, weights_of
from .dropout import Dropout
from .linear import Linear


class MultiheadAttention(Module):
    """Several attentions side by side, each over a part of the features of its own.

    Head h has d of the rows of W_Q, W_K and W_V, d being embed_dim/num_heads, and d columns of W_O:
        Qₕ = query W_Qₕᵀ + b_Qₕ
        Kₕ = key W_Kₕᵀ + b_Kₕ
        Vₕ = value W_Vₕᵀ + b_Vₕ
        Oₕ = softmax(Qₕ Kₕᵀ/√d) Vₕ              see the top of attention.py
        Y = Σₕ Oₕ W_Oₕᵀ + b_O                   out_proj, of the heads side by side
    Backward, with G = ∂L/∂Y; of a matrix product as in Linear:
        ∂L/∂Oₕ = G W_Oₕ
        ∂L/∂W_Oₕ = Gᵀ Oₕ
        ∂L/∂query = Σₕ ∂L/∂Qₕ W_Qₕ              every head uses it; ∂L/∂Qₕ as in attention.py
        ∂L/∂W_Qₕ = (∂L/∂Qₕ)ᵀ query
    and of key and value likewise. Heads share no weights, only the mask: its gradients add up.

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
                    f"{self.one_line()}: {name} has shape {x.shape}, expected "
                    f"({order}, {features}) or (L, {features}), with as many axes as query"
                )
        inputs = [self.samples_first(x) for _, x in named]
        samples = {x.shape[0] for x in inputs}
        if len(samples) > 1 or inputs[1].shape[1] != inputs[2].shape[1]:
            shapes = " and ".join(f"{name} {x.shape}" for name, x in named)
            raise ValueError(f"{self.one_line()}: the shapes of {shapes} do not fit")
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
            raise ValueError(f"{self.one_line()}: {name} has shape {mask.shape}, expected {wanted}")
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
        q, k, v = (to_heads(part, self.num_heads) for part in parts)
        q = q * q.dtype.type(1 / math.sqrt(q.shape[-1]))
        scores = q @ k.swapaxes(-1, -2)  # (N, heads, L, S′)
        if is_causal and (attn_mask is None or not self.says_causal(attn_mask)):
            raise ValueError(
                f"{self.one_line()}: is_causal says that attn_mask is causal, but it is not"
            )
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
        y = self.out_proj(from_heads(used @ v))
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
        g = to_heads(self.out_proj.backward(g), self.num_heads)
        dv = used.swapaxes(-1, -2) @ g
        dA = g @ v.swapaxes(-1, -2)
        if g_weights is not None:  # the weights are an output too
            own = g_weights.reshape(N, -1, *dA.shape[2:])
            dA += own / self.num_heads if mean else own
        if self.dropout:
            dA = self.leave_out.backward(dA)
        dS = through_softmax(A, dA)
        # scores = (q scale) @ kᵀ + masks, and it is q scale that was saved
        dq, dk = dS @ k, dS.swapaxes(-1, -2) @ q
        dq *= q.dtype.type(1 / math.sqrt(q.shape[-1]))
        parts = [from_heads(d) for d in (dq, dk, dv)]
        for bias, i in ((self.bias_k, 1), (self.bias_v, 2)):
            if bias is not None:
                bias.accumulate(parts[i][:, S].sum(axis=0).reshape(bias.shape))
            parts[i] = parts[i][:, :S]
        gradients = self.back_through_projections(parts, inputs)
        gradients = [self.as_given(d, unbatched) for d in gradients]
        for spread, shape in masks:
            gradients.append(summed_to(dS[..., :S], spread).reshape(shape))
        return tuple(gradients)

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
