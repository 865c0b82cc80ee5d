"""Functions along an axis, and of two values."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from ..operations import Tensor
from .page import Page, as_it_comes, axes_of, count_over, page, sums


@page
def glu(input: Tensor, dim: int = -1) -> Page:
    a, b = input.chunk(2, dim)
    s = torch.sigmoid(b)
    names = {"a": a, "s": s, "b": b, "join": lambda one, two: torch.cat((one, two), dim)}
    return Page({"input": ("join(g * s, g * a * s * (1 - s))",)}, names)


@page
def softmax(input: Tensor, dim: int | None = None, **options: Any) -> Page:
    if dim is None:
        return Page({}, {})
    totals, others = sums(input, dim)
    names = {"y": torch.softmax(input, dim), "x": input, **totals}
    return Page({"input": ("y * (g - total(g * y))",)}, names, others=others)


@page
def log_softmax(input: Tensor, dim: int | None = None, **options: Any) -> Page:
    if dim is None:
        return Page({}, {})
    totals, others = sums(input, dim)
    names = {"y": torch.log_softmax(input, dim), "x": input, **totals}
    return Page({"input": ("g - exp(y) * total(g)",)}, names, others=others)


def unreduced(x: Tensor, dim: Any, g: Tensor) -> Tensor:
    """A gradient with the axes of 1 that a sum has taken away."""
    axes = axes_of(x, dim)
    return g.reshape([1 if axis in axes else n for axis, n in enumerate(x.shape)])


@page
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Page:
    totals, others = sums(input, dim)
    names = {"e": torch.exp(input), "x": input, **totals}
    upstream = as_it_comes if keepdim else partial(unreduced, input, dim)
    return Page({"input": ("g * e / total(e)",)}, names, upstream, others)


@page
def var(input: Tensor, dim: Any, correction: int = 1, keepdim: bool = False) -> Page:
    n = count_over(input, axes_of(input, dim))
    names = {"x": input, "m": input.mean(dim, keepdim=True), "n": n, "c": float(correction)}
    upstream = as_it_comes if keepdim else partial(unreduced, input, dim)
    return Page({"input": ("2 * g * (x - m) / (n - c)",)}, names, upstream)


@page
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, **options: Any) -> Page:
    if p != 2:
        return Page({}, {})
    totals, others = sums(input, dim)
    n = input.norm(dim=dim, keepdim=True)
    names = {"x": input, "n": n, "y": input / n, **totals}
    formulas = "(g - y * total(g * y)) / n", "g / n - x * total(g * x) / n ** 3"
    return Page({"input": formulas}, names, others=others)


@page
def centred(input: Tensor, dim: int) -> Page:
    """x − its mean, which PyTorch has no function for."""
    means, others = sums(input, dim, mean=True)
    return Page({"input": ("g - mean(g)",)}, {"x": input, **means}, others=others)


@page
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Page:
    axes = tuple(range(-len(normalized_shape), 0))
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    r = ((input**2).mean(axes, keepdim=True) + eps).sqrt()
    w = torch.ones(()) if weight is None else weight
    means, others = sums(input, axes, mean=True)
    names = {"x": input, "r": r, "h": input / r, "w": w, **means}
    return Page({"input": ("(w * g - h * mean(w * g * h)) / r",)}, names, others=others)


@page
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Page:
    def near(before: int, after: int) -> Callable[[Tensor], Tensor]:
        """Σ over so many channels before each and after it."""

        def summed(v: Tensor) -> Tensor:
            padded = functional.pad(v, [0, 0] * (v.dim() - 2) + [before, after])
            return padded.unfold(1, before + 1 + after, 1).sum(-1)

        return summed

    behind, ahead = size // 2, (size - 1) // 2  # as the result sees its neighbours
    D = k + alpha / size * near(behind, ahead)(input * input)
    formula = "g * D ** q - 2 * a * b / n * x * back(g * x * D ** (q - 1))"
    names = {"x": input, "D": D, "a": alpha, "b": beta, "q": -beta, "n": size}
    names |= {"back": near(ahead, behind), "forth": near(behind, ahead)}
    others = [("wrong-derivative", "back", "forth", "as in the forward pass, from the other side")]
    for one, two in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        if min(ahead + one, behind + two) >= 0:
            name = f"back_{ahead + one}_{behind + two}"
            names[name] = near(ahead + one, behind + two)
            what = f"over {ahead + one} before and {behind + two} after, not {ahead} and {behind}"
            others.append(("wrong-derivative", "back", name, what))
    return Page({"input": (formula,)}, names, others=tuple(others))


@page
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Page:
    n1, n2 = (x.norm(dim=dim, keepdim=True).clamp(min=eps) for x in (x1, x2))
    y = (x1 * x2 / (n1 * n2)).sum(dim, keepdim=True)
    u1, u2 = x1 / n1, x2 / n2
    formulas = {
        "x1": ("g * (u2 - y * u1) / n1", "g * (x2 / (n1 * n2) - y * x1 / n1 ** 2)"),
        "x2": ("g * (u1 - y * u2) / n2", "g * (x1 / (n1 * n2) - y * x2 / n2 ** 2)"),
    }
    names = {"x1": x1, "x2": x2, "n1": n1, "n2": n2, "u1": u1, "u2": u2, "y": y}
    return Page(formulas, names, lambda g: g.unsqueeze(dim))


@page
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Page:
    d = x1 - x2 + eps
    y = d.norm(p, dim=-1, keepdim=True)
    formula = "{}g * sign(d) * abs(d) ** (p - 1) / y ** (p - 1)"
    names = {"d": d, "y": y, "p": p, "x1": x1, "x2": x2}
    if p == 1:
        formula = "{}g * sign(d)"
    if p == 2:
        formula = "{}g * d / y"
    formulas = {"x1": (formula.format(""),), "x2": (formula.format("-"),)}
    return Page(formulas, names, (lambda g: g) if keepdim else (lambda g: g.unsqueeze(-1)))
