"""Functions that PyTorch runs as a whole, or takes apart its own way, as their mathematics has it.

A recurrent layer is written out step by step, attention as two products and a softmax: what
someone's own backward goes through one by one, stands on the tape one by one.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Tensor = torch.Tensor
States = tuple[Tensor, ...]
Step = Callable[[Tensor, Tensor, States], States]  # (from the input, from h, states) -> states


class Formulas(TorchFunctionMode):
    """Within this block, these functions are what they consist of."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = FORMULAS.get(getattr(function, "__name__", ""))
        found = formula(*args, **kwargs) if formula else NotImplemented
        return function(*args, **kwargs) if found is NotImplemented else found


def rnn_step(nonlinearity: Callable[[Tensor], Tensor]) -> Step:
    def step(zx: Tensor, zh: Tensor, states: States) -> States:
        return (nonlinearity(zx + zh),)

    return step


def lstm_step(zx: Tensor, zh: Tensor, states: States) -> States:
    i, f, g, o = (zx + zh).chunk(4, -1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * states[1] + i * g
    return o * c.tanh(), c


def gru_step(zx: Tensor, zh: Tensor, states: States) -> States:
    (h,) = states
    (xr, xz, xn), (hr, hz, hn) = zx.chunk(3, -1), zh.chunk(3, -1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * hn).tanh()
    return ((1 - z) * n + z * h,)


def affine(x: Tensor, Wt: Tensor, b: Tensor | None) -> Tensor:
    """x Wᵀ + b."""
    return x @ Wt if b is None else x @ Wt + b


def layers_of(step: Step) -> Callable[..., Any]:
    """A recurrent layer of these steps, with the arguments of `torch.lstm` and its like."""

    def layers(
        input: Tensor,
        hx: Any,
        weights: Any,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool = False,
    ) -> Any:
        if torch.is_tensor(weights) or not isinstance(weights, list | tuple):
            return NotImplemented  # a packed sequence
        if dropout and train and num_layers > 1:
            return NotImplemented
        first = hx if isinstance(hx, list | tuple) else (hx,)
        directions = 2 if bidirectional else 1
        count = len(weights) // (num_layers * directions)
        x = input.transpose(0, 1) if batch_first else input
        last: list[States] = []
        for layer in range(num_layers):
            sides = []
            for direction in range(directions):
                at = layer * directions + direction
                W_ih, W_hh, *others = weights[at * count : (at + 1) * count]
                b_ih, b_hh, *others = others if has_biases else (None, None, *others)
                V_ih, V_hh = W_ih.t(), W_hh.t()
                V_hr = others[0].t() if others else None
                states = tuple(state[at] for state in first)
                outputs = []
                for xt in reversed(x.unbind(0)) if direction else x.unbind(0):
                    zx, zh = affine(xt, V_ih, b_ih), affine(states[0], V_hh, b_hh)
                    h, *rest = step(zx, zh, states)
                    states = (h if V_hr is None else h @ V_hr, *rest)
                    outputs.append(states[0])
                last.append(states)
                sides.append(torch.stack(outputs[::-1] if direction else outputs))
            x = torch.cat(sides, -1) if bidirectional else sides[0]
        final = (torch.stack(each) for each in zip(*last, strict=True))
        return (x.transpose(0, 1) if batch_first else x, *final)

    return layers


def cell_of(step: Step) -> Callable[..., Any]:
    """One step, with the arguments of `torch.lstm_cell` and its like."""

    def cell(
        input: Tensor,
        hx: Any,
        W_ih: Tensor,
        W_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Any:
        states = tuple(hx) if isinstance(hx, list | tuple) else (hx,)
        after = step(affine(input, W_ih.t(), b_ih), affine(states[0], W_hh.t(), b_hh), states)
        return after if len(after) > 1 else after[0]

    return cell


def as_numbers(mask: Tensor, hidden: Tensor, like: Tensor) -> Tensor:
    """What a mask adds to a score: −∞ where a place is hidden."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=like.dtype).masked_fill(hidden, -math.inf)


def weights_of(q: Tensor, k: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """softmax(q kᵀ · scale + mask), over the keys."""
    scores = (q @ k.transpose(-2, -1)) * scale
    if mask is None:
        return scores.softmax(-1)
    if bool((mask == -math.inf).all(-1).any()):  # a query that sees nothing has weights of 0
        return torch.ops.aten._safe_softmax(scores + mask, -1)
    return (scores + mask).softmax(-1)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """`scaled_dot_product_attention`."""
    if dropout_p:
        return NotImplemented
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(times, -3) for x in (key, value))
    mask = attn_mask
    if is_causal:
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    if mask is not None:
        mask = as_numbers(mask, ~mask if mask.dtype == torch.bool else mask, query)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return weights_of(query, key, mask, scale) @ value


def many_heads(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> Any:
    """`multi_head_attention_forward`, samples first."""
    others = (bias_k, bias_v, static_k, static_v)
    if any(x is not None for x in others) or add_zero_attn or (dropout_p and training):
        return NotImplemented
    batched = query.dim() == 3
    same = key is query, value is key
    query = query.transpose(0, 1) if batched else query[None]  # (N, T, E)
    key = query if same[0] else key.transpose(0, 1) if batched else key[None]
    value = key if same[1] else value.transpose(0, 1) if batched else value[None]
    if in_proj_weight is not None and all(same):
        projected = functional.linear(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        weights: Sequence[Any] = (q_proj_weight, k_proj_weight, v_proj_weight)
        weights = weights if in_proj_weight is None else in_proj_weight.chunk(3)
        biases: Sequence[Any] = [None] * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        each = zip((query, key, value), weights, biases, strict=True)
        projected = tuple(functional.linear(x, W, b) for x, W, b in each)
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in projected)
    mask: Tensor | None = None
    if attn_mask is not None:
        mask = as_numbers(attn_mask, attn_mask, q)
        mask = mask.view(-1, num_heads, *mask.shape[1:]) if mask.dim() == 3 else mask
    if key_padding_mask is not None:
        hidden = key_padding_mask if batched else key_padding_mask[None]
        padding = as_numbers(hidden, hidden, q)[:, None, None]
        mask = padding if mask is None else mask + padding
    p = weights_of(q, k, mask, 1 / math.sqrt(q.shape[-1]))
    y = functional.linear((p @ v).transpose(1, 2).flatten(2), out_proj_weight, out_proj_bias)
    y = y.transpose(0, 1) if batched else y[0]
    if not need_weights:
        return y, None
    p = p.mean(1) if average_attn_weights else p
    return y, p if batched else p[0]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The rows of each bag, looked up, then added or averaged, or the largest of them."""
    if max_norm is not None or scale_grad_by_freq or padding_idx is not None:
        return NotImplemented
    if mode == "max" and (input.dim() != 2 or not input.shape[1]):
        return NotImplemented
    if input.dim() == 2:
        rows = functional.embedding(input, weight)
        if mode == "max":
            return rows.max(1).values
        if per_sample_weights is not None:
            rows = rows * per_sample_weights.unsqueeze(-1)
        return rows.sum(1) if mode == "sum" or not input.shape[1] else rows.mean(1)
    assert offsets is not None
    rows = functional.embedding(input, weight)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    starts = offsets[:-1] if include_last_offset else offsets
    bag = torch.searchsorted(starts, torch.arange(len(input)), right=True) - 1
    added = rows.new_zeros(len(starts), weight.shape[1]).index_add(0, bag, rows)
    if mode == "sum":
        return added
    return added / torch.bincount(bag, minlength=len(starts)).clamp(min=1).to(rows).unsqueeze(-1)


def pad(x: Tensor, widths: Sequence[int], mode: str = "constant", value: Any = None) -> Any:
    """A circular border: from the opposite side, one axis after the other, the last one first."""
    if mode != "circular":
        return NotImplemented
    for i in range(0, len(widths), 2):
        axis, size = x.dim() - 1 - i // 2, x.shape[-1 - i // 2]
        places = torch.arange(-widths[i], size + widths[i + 1]) % size
        x = x.index_select(axis, places)
    return x


def instance_norm(
    x: Tensor, running_mean: Any = None, running_var: Any = None, *args: Any, **options: Any
) -> Any:
    """The running statistics have no part in what comes out."""
    if running_mean is None or not options.get("use_input_stats"):
        return NotImplemented
    return functional.instance_norm(x, None, None, *args, **options)


def bce_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """−w (p t log σ(x) + (1 − t) log σ(−x)), reduced."""
    true = target * functional.logsigmoid(x)
    if pos_weight is not None:
        true = pos_weight * true
    loss = -(true + (1 - target) * functional.logsigmoid(-x))
    if weight is not None:
        loss = weight * loss
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


FORMULAS: dict[str, Callable[..., Any]] = {
    "rnn_tanh": layers_of(rnn_step(torch.tanh)),
    "rnn_relu": layers_of(rnn_step(torch.relu)),
    "lstm": layers_of(lstm_step),
    "gru": layers_of(gru_step),
    "rnn_tanh_cell": cell_of(rnn_step(torch.tanh)),
    "rnn_relu_cell": cell_of(rnn_step(torch.relu)),
    "lstm_cell": cell_of(lstm_step),
    "gru_cell": cell_of(gru_step),
    "scaled_dot_product_attention": attention,
    "multi_head_attention_forward": many_heads,
    "binary_cross_entropy_with_logits": bce_with_logits,
    "embedding_bag": embedding_bag,
    "pad": pad,
    "instance_norm": instance_norm,
}
