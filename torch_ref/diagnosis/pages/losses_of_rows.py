"""Losses with one number for every sample."""

from typing import Any

import torch

from ..operations import Tensor
from .page import Page, one_hot, page, reduced, sums


@page
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *_: Any,
    reduction: str = "mean",
    **__: Any,
) -> Page:
    names: dict[str, Any] = {"x": input, "t": target, "C": input.shape[-1]}
    names["w"] = torch.ones(()) if weight is None else weight
    formulas = {
        "input": (
            "w * g * ((1 - t) * sigmoid(x) - t * sigmoid(-x)) / C",
            "w * g * (sigmoid(x) - t) / C",
        ),
        "target": ("-w * g * x / C",),
    }
    rows = reduced(input[..., 0], reduction)
    return Page(formulas, names, lambda g: rows(g).unsqueeze(-1))


@page
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    *_: Any,
    reduction: str = "mean",
    **__: Any,
) -> Page:
    m1, m2 = (x.square().sum(-1, keepdim=True) + 1e-12 for x in (input1, input2))
    n = (m1 * m2).sqrt()
    y = (input1 * input2).sum(-1, keepdim=True) / n
    t = target.unsqueeze(-1)
    s = torch.where(t == 1, -1.0, (y >= margin).to(y))
    names = {"x1": input1, "x2": input2, "m1": m1, "m2": m2, "n": n, "y": y, "s": s}
    formulas = {
        "input1": ("s * g * (x2 / n - y * x1 / m1)",),
        "input2": ("s * g * (x1 / n - y * x2 / m2)",),
    }
    rows = reduced(y[..., 0], reduction)
    return Page(formulas, names, lambda g: rows(g).unsqueeze(-1))


@page
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Page:
    if input.dim() != 2 or target.is_floating_point():
        return Page({}, {})
    p, t = torch.softmax(input, 1), one_hot(target, input)
    totals, others = sums(input, 1)
    names = {"p": p, "t": t, "x": input, **totals}
    rows = reduced(input[:, 0], reduction)
    if weight is None and not label_smoothing and not bool((target == ignore_index).any()):
        return Page({"input": ("g * (p - t)",)}, names, lambda g: rows(g).unsqueeze(-1))
    w = torch.ones_like(input[0]) if weight is None else weight
    seen = (target != ignore_index).to(input).unsqueeze(-1)
    rows = reduced(input[:, 0], reduction, (seen * t * w).sum())  # with smoothing, too
    W = seen * w * ((1 - label_smoothing) * t + label_smoothing / input.shape[1])
    names |= {"W": W}
    formulas = ("g * (p * total(W) - W)",)
    return Page({"input": formulas}, names, lambda g: rows(g).unsqueeze(-1), others)


@page
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *_: Any,
    reduction: str = "mean",
    **__: Any,
) -> Page:
    t = one_hot(target, input)
    lead = (input * t).sum(-1, keepdim=True)
    z = (margin - lead + input).clamp(min=0) * (1 - t)
    totals, others = sums(input, -1)
    names = {"w": 1.0 if weight is None else weight[target].unsqueeze(-1), "C": input.shape[-1]}
    names |= {"z": z, "a": (z > 0).to(z), "t": t, "x": input, **totals}
    formula = "g * w * (a - t * total(a)) / C" if p == 1 else "2 * g * w * (z - t * total(z)) / C"
    rows = reduced(input[..., 0], reduction)
    return Page({"input": (formula,)}, names, lambda g: rows(g).unsqueeze(-1), others)


@page
def multilabel_margin_loss(
    input: Tensor, target: Tensor, *_: Any, reduction: str = "mean", **__: Any
) -> Page:
    listed = (target >= 0).cumprod(-1).bool().unsqueeze(-1)
    t = ((target.unsqueeze(-1) == torch.arange(input.shape[-1])) & listed).any(-2)
    lead = input.unsqueeze(-1) - input.unsqueeze(-2)  # (*, j, i): how far j is ahead of i
    a = (t.unsqueeze(-1) & ~t.unsqueeze(-2) & (lead < 1)).to(input)
    names = {"a": a, "C": input.shape[-1], "x": input, "t": t.to(input)}
    names |= {"over_j": lambda v: v.sum(-2), "over_i": lambda v: v.sum(-1)}
    names |= {"mean_j": lambda v: v.mean(-2), "mean_i": lambda v: v.mean(-1)}
    others = tuple(("mean-for-sum", f"over_{k}", f"mean_{k}", "as a mean") for k in "ij")
    rows = reduced(input[..., 0], reduction)
    formula = "g * (over_j(a) - over_i(a)) / C"
    return Page({"input": (formula,)}, names, lambda g: rows(g).unsqueeze(-1), others)


@page
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *_: Any,
    reduction: str = "mean",
    **__: Any,
) -> Page:
    def slope(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        d = x - y + eps
        length = d.norm(p, dim=-1, keepdim=True)
        return length, d.sign() * d.abs() ** (p - 1) / length ** (p - 1)

    (near, u_near), (far, u_far) = slope(anchor, positive), slope(anchor, negative)
    other, u_other = slope(positive, negative)
    s = (other < far).to(far) if swap else torch.zeros_like(far)
    active = (near - torch.where(s > 0, other, far) + margin > 0).to(far)
    names = {"a": active, "s": s, "near": u_near, "far": u_far, "other": u_other}
    rows = reduced(far[..., 0], reduction)
    formulas = {
        "anchor": ("g * a * near - g * a * (1 - s) * far",),
        "positive": ("-g * a * near - g * a * s * other",),
        "negative": ("g * a * (1 - s) * far + g * a * s * other",),
    }
    return Page(formulas, names, lambda g: rows(g).unsqueeze(-1))
