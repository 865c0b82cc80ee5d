"""What every loss is made of: its reduction, and the checks of what it is given."""

import math
from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module, refuse


class Loss(Module):
    """The base of the losses: the single losses lₖ become L by `reduction`.

    Backward, with g what it is given for L, 1 if nothing else:
        none        ∂L/∂lₖ = gₖ         every lₖ is an output by itself
        sum         L = Σₖ lₖ
                    ∂L/∂lₖ = g          every lₖ counts once
        mean        L = Σₖ lₖ/K
                    ∂L/∂lₖ = g/K        each is divided by K, how many there are
    """

    REDUCTIONS: tuple[str, ...] = ("none", "mean", "sum")
    OF_ROWS = False  # whether a single loss is of the last axis, not of one element

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        refuse(self, size_average=size_average is not None, reduce=reduce is not None)
        if reduction not in self.REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction is {reduction!r}, "
                f"expected one of {', '.join(self.REDUCTIONS)}"
            )
        self.reduction = reduction

    def sum_lengths(self, input: Array, *others: Any, **named: Any) -> dict[str, int]:
        single = input.shape[-1] if self.OF_ROWS and input.ndim else 1
        return {"output": single if self.reduction == "none" else input.size, "input": single}

    def count(self, losses: Array) -> Any:
        """K, what mean divides by, in the losses' own dtype."""
        return losses.dtype.type(losses.size)

    def reduced(self, losses: Array, count: Any = None) -> Any:
        """L from the single losses; `count` is K, where it is not their number."""
        if self.reduction == "none":
            return losses
        total = losses.sum()
        if self.reduction == "sum":
            return total
        if count is None:
            count = self.count(losses)
        if count:
            return total / count
        with np.errstate(invalid="ignore"):  # the mean of nothing is NaN
            return total / count

    def expand(self, g: Any, count: Any) -> Any:
        """The upstream gradient of each single loss, from that of L; `count` is K."""
        if self.reduction in ("none", "sum"):
            return g
        return g / count if count else g * 0  # nothing counted, so nothing changes it

    def per_sample(self, g: Any, count: Any) -> Any:
        """The upstream gradient of each loss, with a last axis of 1 for the terms of the loss."""
        g = self.expand(g, count)
        return g[..., np.newaxis] if isinstance(g, np.ndarray) else g


def check_same_shape(
    loss: Module, input: Array, target: Array, name: str = "target", first: str = "input"
) -> None:
    """Raise unless both are floating arrays of one shape and dtype: nothing is broadcast."""
    loss.check_input(input, name=first)
    loss.check_input(target, input.dtype, name)
    check_shape(loss, input, target, name)


def check_shape(loss: Module, input: Array, target: Array, name: str = "target") -> None:
    """Raise ValueError unless both have one shape."""
    if input.shape != target.shape:
        raise ValueError(
            f"{loss!r}: {name} has shape {target.shape}, expected the input's {input.shape}"
        )


def numbers_like(loss: Module, input: Array, target: Array) -> Array:
    """The target in the input's dtype: as it is, or converted from whole numbers."""
    loss.check_input(input)
    loss.check_array(target, "target")
    if target.dtype.kind in "iu":
        return np.asarray(target).astype(input.dtype)
    return loss.check_input(target, input.dtype, "target")


def check_within(loss: Module, name: str, values: Array, low: float, high: float) -> None:
    """Raise ValueError unless all values are from `low` to `high`; NaN is not."""
    if values.size and not (low <= values.min() and values.max() <= high):
        wanted = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
        raise ValueError(
            f"{loss!r}: {name} has values from {values.min()!s} to {values.max()!s}, "
            f"expected {wanted}"
        )


def rescaling(loss: Module, name: str, weight: Array | None, input: Array) -> Any:
    """`weight` along the last axes of `input`; 1 for None."""
    if weight is None:
        return input.dtype.type(1)
    loss.check_input(weight, input.dtype, name)
    try:
        return np.broadcast_to(weight, input.shape)
    except ValueError:
        raise ValueError(
            f"{loss!r}: {name} of shape {weight.shape} does not fit input's {input.shape}"
        ) from None
