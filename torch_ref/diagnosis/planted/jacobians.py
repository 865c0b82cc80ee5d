"""Another Jacobian where that of a softmax, a log-softmax, a normalization or a centring belongs.

Each is A g − B Σ(C g), the sum over what is normalized together. A sibling's has other factors.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product

import torch

from ..kinds import Mistake
from ..operations import Tensor
from ..recognized import near
from ..tape import Span
from .normalizations import Normalized, normalization_formulas
from .spans import on_span

CLOSE = 1e-6  # how near a value must be to be known for what it is


def jacobian_changes(span: Span) -> Iterator[Mistake]:
    """What may stand for the Jacobian of a module or formula that is known for what it computes."""
    x, y = span.input.tensor, span.output.tensor
    name = f"{span.name} in {span.place}"
    if span.is_pointwise or not x.dim() or x.numel() < 2:
        return
    for axis in range(x.dim()):
        if x.shape[axis] == 1:
            continue
        for known, f in (("softmax", torch.softmax), ("log softmax", torch.log_softmax)):
            if near(y, f(x, axis), CLOSE):
                powers = y if known == "softmax" else y.exp()
                if known == "log softmax":
                    what = "the Jacobian of the softmax is left out, and only the log's is used"
                    alone = partial(divided, powers)
                    yield mistake(span, "forgotten-derivative", what, alone)
                for kind, what, change in softmax_forms(powers, x, y, axis, known):
                    yield mistake(span, kind, f"for the Jacobian of the {known} {what}", change)
    if (normalized := normalized_as(x, y)) is not None:
        for kind, _, what, change in normalization_formulas(normalized, name):
            yield mistake(span, kind, what, change)


def divided(p: Tensor, g: Tensor) -> Tensor:
    return g / p


def mistake(span: Span, kind: str, what: str, change: Callable[[Tensor], Tensor]) -> Mistake:
    what = what if span.place in what else f"{what} (in {span.place})"
    return Mistake(kind, what, span.place, on_span(span, change), span.input.reaches, 2)


def softmax_forms(
    p: Tensor, x: Tensor, y: Tensor, axis: int, known: str
) -> Iterator[tuple[str, str, Callable[[Tensor], Tensor]]]:
    """A g − B Σ(C g) with other factors than its own."""
    parts = {"": torch.ones_like(y), "y": y, "p": p, "x": x} | (
        {"e^y": y.exp()} if known == "softmax" else {}
    )
    if known == "softmax":
        del parts["p"]
    own = ("y", "y", "y") if known == "softmax" else ("", "p", "")
    siblings: dict[tuple[str, tuple[str, ...]], str] = {
        ("softmax", ("", "y", "")): "stands that of the log softmax, with y for e^y",
        ("softmax", ("", "e^y", "")): "stands that of the log softmax",
        ("log softmax", ("p", "p", "p")): "stands that of the softmax",
        ("log softmax", ("y", "y", "y")): "stands that of the softmax, taken at y",
    }

    def change(g: Tensor, a: Tensor, b: Tensor, c: Tensor, sign: int, mean: bool) -> Tensor:
        inner = c * g
        added = inner.mean(axis, keepdim=True) if mean else inner.sum(axis, keepdim=True)
        return a * g + sign * b * added

    for chosen in product(parts, repeat=3):
        for sign, mean in product((-1, 1), (False, True)):
            if chosen == own and (sign, mean) == (-1, False):
                continue
            a, b, c = chosen
            added = f"{'mean' if mean else 'Σ'}({' '.join(filter(None, (c, 'g')))})"
            first = " ".join(filter(None, (a, "g")))
            second = " ".join(filter(None, (b, added)))
            what = f"stands {first} {'−' if sign < 0 else '+'} {second}"
            if sign < 0 and not mean:
                what = siblings.get((known, chosen), what)
            what += ", p being e^y" if "p" in chosen and "stands that" not in what else ""
            tensors = (parts[letter] for letter in chosen)
            made = partial(
                lambda g, a, b, c, sign, mean: change(g, a, b, c, sign, mean),
                **dict(zip("abc", tensors, strict=True)),
                sign=sign,
                mean=mean,
            )
            yield "sign" if chosen == own and not mean else "wrong-derivative", what, made


def normalized_as(x: Tensor, y: Tensor) -> Normalized | None:
    """What a value is normalized over, if it is (x − mean)/√(variance + ε) over some axes."""
    for size in range(1, x.dim() + 1):
        for axes in combinations(range(x.dim()), size):
            if torch.Size(x.shape[a] for a in axes).numel() < 3:
                continue
            centred = x - x.mean(axes, keepdim=True)
            variance = x.var(axes, correction=0, keepdim=True)
            if not bool((variance > 0).all()) or not bool((y != 0).all()):
                continue
            eps = float(((centred / y) ** 2 - variance).median())
            if -CLOSE * float(variance.max()) <= eps <= 0.1:
                deviation = (variance + max(eps, 0.0)).sqrt()
                if near(y, centred / deviation, CLOSE):
                    return Normalized(
                        x, x.mean(axes, keepdim=True), variance, max(eps, 0.0), 1, axes
                    )
    return None
