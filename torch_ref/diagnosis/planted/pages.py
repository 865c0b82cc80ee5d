"""How the gradients of PyTorch's functions are written in books: what a slip of the pen is made in.

Each page has its function's name and arguments, and gives for some of them the formula of the
gradient, g being the upstream one and y the result. Names other than the arguments' are explained.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from ..operations import Tensor
from .slips import Others


def as_it_comes(g: Tensor) -> Tensor:
    return g


@dataclass
class Page:
    """The formulas of one call.

    Attributes:
        formulas: by the name of the argument; several are several ways to write it.
        names: what stands for each name in them.
        upstream: makes g of the upstream gradient, as where a loss is reduced.
        others: functions among the names that may be taken for one another, and what they are.
    """

    formulas: dict[str, tuple[str, ...]]
    names: dict[str, Any]
    upstream: Callable[[Tensor], Tensor] = field(default=as_it_comes)
    others: Others = ()


PAGES: dict[str, Callable[..., Page]] = {}


def page(function: Callable[..., Page]) -> Callable[..., Page]:
    PAGES[function.__name__] = function
    return function


def of_one(name: str, *formulas: str, **functions: Callable[[Tensor], Any]) -> None:
    """A page of a function of one value without options; functions make its further names."""

    def made(input: Tensor) -> Page:
        names = {name: f(input) for name, f in functions.items()}
        return Page({"input": formulas}, {"x": input, **names})

    PAGES[name] = made


of_one("sigmoid", "g * y * (1 - y)", y=torch.sigmoid)
of_one("tanh", "g * (1 - y * y)", y=torch.tanh)
of_one("log_sigmoid", "g * sigmoid(-x)", "g * (1 - sigmoid(x))", "g / (1 + exp(x))")
of_one("softsign", "g / (1 + abs(x)) ** 2", "g * (1 - abs(y)) ** 2", y=functional.softsign)
of_one("tanhshrink", "g * tanh(x) ** 2", "g * (1 - (1 - tanh(x) ** 2))")
of_one("exp", "g * y", y=torch.exp)
of_one("log", "g / x")
of_one("sqrt", "g / (2 * y)", y=torch.sqrt)
of_one("rsqrt", "-g * y ** 3 / 2", y=torch.rsqrt)
of_one("reciprocal", "-g * y ** 2", "-g / x ** 2", y=torch.reciprocal)
of_one("sin", "g * cos(x)")
of_one("cos", "-g * sin(x)")
of_one("abs", "g * sign(x)")
of_one("square", "2 * g * x")
of_one("erf", "2 * g * exp(-x ** 2) / sqrt(pi)", pi=lambda x: math.pi)


@page
def relu(input: Tensor, inplace: bool = False) -> Page:
    return Page({"input": ("where(x > 0, g, 0 * g)",)}, {"x": input})


@page
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Page:
    return Page({"input": ("where(x > 0, g, a * g)",)}, {"x": input, "a": negative_slope})


@page
def prelu(input: Tensor, weight: Tensor) -> Page:
    shape = [1, -1] + [1] * (input.dim() - 2) if input.dim() > 1 else [-1]
    formulas = {"input": ("where(x > 0, g, w * g)",), "weight": ("add(g * where(x > 0, 0 * x, x))",)}
    w = weight.reshape(shape)
    names = {"x": input, "w": w, "add": lambda v: v.sum_to_size(w.shape).reshape(weight.shape)}
    return Page(formulas, names)


@page
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Page:
    formulas = "where(x > 0, g, a * g * exp(x))", "where(x > 0, g, g * (y + a))"
    return Page({"input": formulas}, {"x": input, "y": functional.elu(input, alpha), "a": alpha})


@page
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Page:
    formulas = ("where(x > 0, g, g * exp(x / a))",)
    return Page({"input": formulas}, {"x": input, "a": alpha})


@page
def selu(input: Tensor, inplace: bool = False) -> Page:
    names = {"x": input, "y": functional.selu(input)}
    names |= {"a": 1.6732632423543772848170429916717, "k": 1.0507009873554804934193349852946}
    formulas = "k * g * where(x > 0, 1, a * exp(x))", "g * where(x > 0, k, y + k * a)"
    return Page({"input": formulas}, names)


@page
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Page:
    formulas = "g * sigmoid(b * x)", "g / (1 + exp(-b * x))"
    return Page({"input": formulas}, {"x": input, "b": beta})


@page
def silu(input: Tensor, inplace: bool = False) -> Page:
    s = torch.sigmoid(input)
    formulas = "g * (s + x * s * (1 - s))", "g * (y + s * (1 - y))", "g * s * (1 + x * (1 - s))"
    return Page({"input": formulas}, {"x": input, "s": s, "y": input * s})


@page
def mish(input: Tensor, inplace: bool = False) -> Page:
    formulas = ("g * (t + x * (1 - t * t) * s)",)
    t, s = torch.tanh(functional.softplus(input)), torch.sigmoid(input)
    return Page({"input": formulas}, {"x": input, "t": t, "s": s})


@page
def gelu(input: Tensor, approximate: str = "none") -> Page:
    if approximate == "none":
        names = {"x": input, "P": (1 + torch.erf(input / math.sqrt(2))) / 2}
        density = torch.exp(-(input**2) / 2) / math.sqrt(2 * math.pi)
        return Page({"input": ("g * (P + x * p)",)}, names | {"p": density})
    k, c = math.sqrt(2 / math.pi), 0.044715
    formula = "g * ((1 + t) / 2 + x * (1 - t ** 2) / 2 * k * (1 + 3 * c * x ** 2))"
    t = torch.tanh(k * (input + c * input**3))
    return Page({"input": (formula,)}, {"x": input, "t": t, "k": k, "c": c})


@page
def hardswish(input: Tensor, inplace: bool = False) -> Page:
    middle = "where(x < -3, 0 * g, where(x <= 3, g * ({}), g))"
    formulas = (middle.format("x / 3 + 0.5"), middle.format("(2 * x + 3) / 6"))
    return Page({"input": formulas}, {"x": input})


@page
def glu(input: Tensor, dim: int = -1) -> Page:
    a, b = input.chunk(2, dim)
    s = torch.sigmoid(b)
    names = {"a": a, "s": s, "b": b, "join": lambda one, two: torch.cat((one, two), dim)}
    return Page({"input": ("join(g * s, g * a * s * (1 - s))",)}, names)


def sums(x: Tensor, axes: Any, name: str = "total") -> tuple[dict[str, Any], Others]:
    """The sum over these axes by its name, and that over others, or the mean."""
    own = {axis % x.dim() for axis in (axes if isinstance(axes, tuple) else (axes,))}
    made = {name: lambda v: v.sum(tuple(own), keepdim=True)}
    made |= {f"{name}_mean": lambda v: v.mean(tuple(own), keepdim=True)}
    others = [(name, f"{name}_mean", "as a mean")]
    for axis in set(range(x.dim())) - own:
        made[f"{name}_{axis}"] = lambda v, axis=axis: v.sum(axis, keepdim=True)
        others.append((name, f"{name}_{axis}", f"over axis {axis}"))
    return made, tuple(others)


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


@page
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Page:
    axes = tuple(range(-len(normalized_shape), 0))
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    r = ((input**2).mean(axes, keepdim=True) + eps).sqrt()
    w = torch.ones(()) if weight is None else weight
    totals, others = sums(input, axes)
    names = {"x": input, "r": r, "h": input / r, "w": w, **totals}
    names["n"] = float(torch.Size(normalized_shape).numel())
    return Page({"input": ("(w * g - h * total(w * g * h) / n) / r",)}, names, others=others)


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
    formula = "g * D ** (-b) - 2 * a * b / n * x * back(g * x * D ** (-b - 1))"
    names = {"x": input, "D": D, "a": alpha, "b": beta, "n": size, "back": near(ahead, behind)}
    names |= {"forth": near(behind, ahead)}
    others = [("back", "forth", "as in the forward pass, from the other side")]
    for one, two in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        if min(ahead + one, behind + two) >= 0:
            name = f"back_{ahead + one}_{behind + two}"
            names[name] = near(ahead + one, behind + two)
            what = f"over {ahead + one} channels before and {behind + two} after, not {ahead} and "
            others.append(("back", name, f"{what}{behind}"))
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


# Losses: each takes a reduction, and g is the gradient of each element's, or of each sample's.


def reduced(like: Tensor, reduction: str, count: Any = None) -> Callable[[Tensor], Tensor]:
    """What makes of a loss's upstream gradient that of each of its terms."""
    count = like.numel() if count is None else count

    def spread(g: Tensor) -> Tensor:
        if reduction == "none":
            return g
        return g.expand(like.shape) / (count if reduction == "mean" else 1)

    return spread


@page
def mse_loss(input: Tensor, target: Tensor, *_: Any, reduction: str = "mean", **__: Any) -> Page:
    formulas = {"input": ("2 * g * (x - t)",), "target": ("-2 * g * (x - t)",)}
    return Page(formulas, {"x": input, "t": target}, reduced(input, reduction))


@page
def l1_loss(input: Tensor, target: Tensor, *_: Any, reduction: str = "mean", **__: Any) -> Page:
    formulas = {"input": ("g * sign(x - t)",), "target": ("-g * sign(x - t)",)}
    return Page(formulas, {"x": input, "t": target}, reduced(input, reduction))


@page
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    *_: Any,
    reduction: str = "mean",
    beta: float = 1.0,
    **__: Any,
) -> Page:
    formula = "where(abs(x - t) < b, g * (x - t) / b, g * sign(x - t))"
    return Page({"input": (formula,)}, {"x": input, "t": target, "b": beta}, reduced(input, reduction))


@page
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Page:
    formula = "where(abs(x - t) <= d, g * (x - t), g * d * sign(x - t))"
    return Page({"input": (formula,)}, {"x": input, "t": target, "d": delta}, reduced(input, reduction))


@page
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *_: Any,
    reduction: str = "mean",
    **__: Any,
) -> Page:
    names = {"x": input, "t": target, "w": torch.ones(()) if weight is None else weight}
    formulas = {
        "input": ("w * g * (x - t) / (x * (1 - x))", "w * g * (-t / x + (1 - t) / (1 - x))"),
        "target": ("w * g * (log(1 - x) - log(x))",),
    }
    return Page(formulas, names, reduced(input, reduction))


@page
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *_: Any,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
    **__: Any,
) -> Page:
    one = torch.ones(())
    names = {"x": input, "t": target, "w": one if weight is None else weight}
    formula = "w * g * ((1 - t) * sigmoid(x) - t * sigmoid(-x))"
    formulas = (formula, "w * g * (sigmoid(x) - t)")
    if pos_weight is not None:
        names["p"] = pos_weight
        formulas = (formula.replace("- t * s", "- p * t * s"),)
    return Page({"input": formulas}, names, reduced(input, reduction))


@page
def kl_div(
    input: Tensor,
    target: Tensor,
    *_: Any,
    reduction: str = "mean",
    log_target: bool = False,
    **__: Any,
) -> Page:
    formulas = {"input": ("-g * t",), "target": ("g * (log(t) - x + 1)",)}
    if log_target:
        formulas = {"input": ("-g * exp(t)",), "target": ("g * exp(t) * (t - x + 1)",)}
    count = len(input) if reduction == "batchmean" and input.dim() else None
    reduction = "mean" if reduction == "batchmean" else reduction
    return Page(formulas, {"x": input, "t": target}, reduced(input, reduction, count))


@page
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-8,
    reduce: None = None,
    reduction: str = "mean",
) -> Page:
    names = {"x": input, "t": target, "e": eps}
    formulas = {"input": ("g * (exp(x) - t)",)} if log_input else {"input": ("g * (1 - t / (x + e))",)}
    if not full:
        formulas["target"] = ("-g * x",) if log_input else ("-g * log(x + e)",)
    return Page(formulas, names, reduced(input, reduction))


@page
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Page:
    formulas = {
        "input": ("g * (x - t) / v",),
        "target": ("-g * (x - t) / v",),
        "var": ("g * (1 / v - (x - t) ** 2 / v ** 2) / 2",),
    }
    names = {"x": input, "t": target, "v": var.clamp(min=eps)}
    return Page(formulas, names, reduced(input, reduction))


@page
def soft_margin_loss(
    input: Tensor, target: Tensor, *_: Any, reduction: str = "mean", **__: Any
) -> Page:
    formulas = ("-g * t * sigmoid(-t * x)", "-g * t / (1 + exp(t * x))")
    return Page({"input": formulas}, {"x": input, "t": target}, reduced(input, reduction))


@page
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *_: Any,
    reduction: str = "mean",
    **__: Any,
) -> Page:
    names = {"x": input, "t": target, "w": torch.ones(()) if weight is None else weight}
    formulas = {
        "input": (
            "w * g * ((1 - t) * sigmoid(x) - t * sigmoid(-x)) / C",
            "w * g * (sigmoid(x) - t) / C",
        ),
        "target": ("-w * g * x / C",),
    }
    rows = reduced(input[..., 0], reduction)
    names["C"] = input.shape[-1]
    return Page(formulas, names, lambda g: rows(g).unsqueeze(-1))


@page
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, *_: Any, reduction: str = "mean", **__: Any
) -> Page:
    formula = "where(t > 0, g, where(x < m, -g, 0 * g))"
    return Page({"input": (formula,)}, {"x": input, "t": target, "m": margin}, reduced(input, reduction))


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


def one_hot(target: Tensor, like: Tensor) -> Tensor:
    """The target as rows of zeros and a one; what is ignored has none."""
    return (target.unsqueeze(-1) == torch.arange(like.shape[-1])).to(like)


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
    rows = reduced(input[..., 0], reduction)
    formula = "g * (over_j(a) - over_i(a)) / C"
    return Page({"input": (formula,)}, names, lambda g: rows(g).unsqueeze(-1))


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
