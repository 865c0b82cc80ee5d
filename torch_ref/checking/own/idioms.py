"""A sigmoid, a softmax or a relu that is written out, recognized as the function it is.

Every result carries a mark of how it came about: 1 / (1 + exp(−x)) is then the sigmoid of x, and so
a mistake in its derivative has a name. At a kink PyTorch's own function also decides as NumPy code
does: maximum(0, x) has the derivative 0 at 0 as a relu, and 0.5 as a maximum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Mark:
    """How a result came about.

    Attributes:
        kind: "exp", "neg", "1+exp", "max", "sum", "logsum", "shifted", "positive", "sigmoid".
        of: what it was computed from.
        axis: the axis of a reduction.
        inner: how `of` came about.
    """

    kind: str
    of: Tensor
    axis: Any = None
    inner: "Mark | None" = None


Noted = tuple[Tensor | None, Mark | None]  # what is computed in place of it; its mark
NOTHING: Noted = (None, None)
REDUCTIONS = ("sum", "max", "logsum")


def after(name: str, args: Sequence[Any], axis: Any = None) -> Noted:
    """What NumPy's function of this name gives for these arrays, if it is known as more."""
    rule = RULES.get(name)
    return NOTHING if rule is None else rule(*args[:3]) if axis is None else rule(args[0], axis)


def mark_of(value: Any, *kinds: str) -> Mark | None:
    mark = getattr(value, "mark", None)
    return mark if isinstance(mark, Mark) and mark.kind in kinds else None


def is_number(value: Any, number: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == number


def tensor(value: Any) -> Any:
    return getattr(value, "tensor", None)


def kept(reduced: Any, mark: Mark) -> bool:
    """Whether a reduction has its axis still, with the length 1."""
    shape = list(mark.of.shape)
    axes = range(len(shape)) if mark.axis is None else mark.axis
    for one in [axes] if isinstance(axes, int) else axes:
        shape[one] = 1
    alone = tensor(reduced).numel() == 1 and all(size == 1 for size in shape)
    return alone or list(tensor(reduced).shape) == shape


def unshifted(of: Tensor, mark: Mark | None) -> Tensor:
    """Before the largest was taken off, which changes nothing for a softmax."""
    return mark.of if mark is not None and mark.kind == "shifted" else of


def sigmoid(x: Tensor) -> Noted:
    return torch.sigmoid(x), Mark("sigmoid", x)


def exp(x: Any, *_: Any) -> Noted:
    return None, Mark("exp", tensor(x), inner=getattr(x, "mark", None) or None)


def negative(x: Any, *_: Any) -> Noted:
    return None, Mark("neg", tensor(x))


def log(x: Any, *_: Any) -> Noted:
    total = mark_of(x, "sum")
    if total is None or total.inner is None or total.inner.kind != "exp":
        return NOTHING
    return None, Mark("logsum", total.inner.of, total.axis, total.inner.inner)


def add(x: Any, y: Any, *_: Any) -> Noted:
    power = mark_of(y, "exp") if is_number(x, 1) else mark_of(x, "exp") if is_number(y, 1) else None
    return NOTHING if power is None else (None, Mark("1+exp", power.of, inner=power.inner))


def subtract(x: Any, y: Any, *_: Any) -> Noted:
    reduced = mark_of(y, "max", "logsum")
    if reduced is None or reduced.of is not tensor(x) or not kept(y, reduced):
        return NOTHING
    if reduced.kind == "max":
        return None, Mark("shifted", tensor(x), reduced.axis)
    if not isinstance(reduced.axis, int):
        return NOTHING
    return torch.log_softmax(unshifted(reduced.of, reduced.inner), reduced.axis), None


def divide(x: Any, y: Any, *_: Any) -> Noted:
    below, total, power = mark_of(y, "1+exp"), mark_of(y, "sum"), mark_of(x, "exp")
    if below is not None and power is not None and power.of is below.of:
        return sigmoid(below.of)
    if below is not None and below.inner is not None and below.inner.kind == "neg":
        if is_number(x, 1):
            return sigmoid(below.inner.of)
        if tensor(x) is not None:
            return tensor(x) * torch.sigmoid(below.inner.of), None
    if total is not None and power is not None and total.of is tensor(x) and kept(y, total):
        if isinstance(total.axis, int):
            return torch.softmax(unshifted(power.of, power.inner), total.axis), None
        if total.axis is None and tensor(x).ndim == 1:
            return torch.softmax(unshifted(power.of, power.inner), 0), None
    return NOTHING


def maximum(x: Any, y: Any, *_: Any) -> Noted:
    for one, other in ((x, y), (y, x)):
        if is_number(one, 0) and tensor(other) is not None:
            return torch.relu(tensor(other)), None
    return NOTHING


def multiply(x: Any, y: Any, *_: Any) -> Noted:
    for one, other in ((x, y), (y, x)):
        mask = mark_of(one, "positive")
        if mask is not None and mask.of is tensor(other):
            return torch.relu(mask.of), None
        if is_number(one, -1) and tensor(other) is not None:
            return None, Mark("neg", tensor(other))
    return NOTHING


def greater(x: Any, y: Any, *_: Any) -> Noted:
    return (None, Mark("positive", tensor(x))) if is_number(y, 0) else NOTHING


def where(condition: Any, x: Any = None, y: Any = None) -> Noted:
    mask, one, two = mark_of(condition, "positive"), mark_of(x, "sigmoid"), mark_of(y, "sigmoid")
    if mask is not None and mask.of is tensor(x) and is_number(y, 0):
        return torch.relu(mask.of), None
    if one is not None and two is not None and one.of is two.of:
        return tensor(x), one
    return NOTHING


def reduced(kind: str) -> Any:
    def rule(x: Any, axis: Any = None, *_: Any) -> Noted:
        axis = axis if isinstance(axis, int | tuple) else None
        return None, Mark(kind, tensor(x), axis, getattr(x, "mark", None) or None)

    return rule


RULES: dict[str, Any] = {
    **{"exp": exp, "negative": negative, "log": log, "add": add, "subtract": subtract},
    **{"divide": divide, "true_divide": divide, "maximum": maximum, "multiply": multiply},
    **{"greater": greater, "greater_equal": greater, "where": where},
    **{"sum": reduced("sum"), "max": reduced("max"), "amax": reduced("max")},
}
