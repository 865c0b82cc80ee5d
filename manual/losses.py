"""Losses: how wrong the outputs are, as one number. Their backward starts the chain.

`backward(grad_output=1)` returns the gradient for each differentiable input, in the inputs' order.
"""

from typing import Any

import numpy as np

from .module import Array, Module

REDUCTIONS = ("none", "mean", "sum")


class Loss(Module):
    """What the losses share: the elements' losses lₖ become L by `reduction`.

    Forward     none: L = l      sum: L = Σₖ lₖ      mean: L = Σₖ lₖ / K
    Backward    ∂L/∂lₖ = gₖ      ∂L/∂lₖ = g          ∂L/∂lₖ = g / K
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction is {reduction!r}, "
                f"expected one of {', '.join(REDUCTIONS)}"
            )
        self.reduction = reduction

    def reduce(self, losses: Array) -> Any:
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else losses.mean()

    def expand(self, g: Any, losses: int) -> Any:
        """The upstream gradient of each single loss, from that of the reduced one."""
        return g / losses if self.reduction == "mean" else g


def check_same_shape(loss: Module, input: Array, target: Array) -> None:
    """Raise unless both are floating arrays of one shape and dtype: nothing is broadcast."""
    loss.check_input(input)
    loss.check_input(target, input.dtype, "target")
    if input.shape != target.shape:
        raise ValueError(
            f"{loss!r}: target has shape {target.shape}, expected the input's {input.shape}"
        )


class HalfSquaredError(Module):
    """E = ½ Σ (t − o)², the article's error: the ½ is there to cancel the 2 of the derivative.

    Backward, with g = ∂L/∂E:
        ∂L/∂o = g (o − t)       d/do ½(t − o)² = −(t − o)
        ∂L/∂t = −∂L/∂o
    """

    def forward(self, input: Array, target: Array) -> Any:
        check_same_shape(self, input, target)
        difference = input - target
        self.save_for_backward(difference)
        return (difference * difference).sum() / 2

    def backward(self, grad_output: Any = 1) -> tuple[Array, Array]:
        (difference,) = self.take_saved(grad_output)
        grad_input = grad_output * difference
        return grad_input, -grad_input


class MSELoss(Loss):
    """lₖ = (oₖ − tₖ)² for every element k.

    Backward, with g = ∂L/∂l (see Loss):
        ∂L/∂o = 2 g (o − t)
        ∂L/∂t = −∂L/∂o
    """

    def forward(self, input: Array, target: Array) -> Any:
        check_same_shape(self, input, target)
        difference = input - target
        self.save_for_backward(difference)
        return self.reduce(difference * difference)

    def backward(self, grad_output: Any = 1) -> tuple[Array, Array]:
        (difference,) = self.take_saved(grad_output)
        grad_input = 2 * self.expand(grad_output, difference.size) * difference
        return grad_input, -grad_input


def log_softmax(x: Array, axis: int) -> Array:
    """log(eˣᵢ / Σⱼ eˣⱼ). Taking the largest x off changes nothing and keeps e from overflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


class CrossEntropyLoss(Loss):
    """lₙ = −log softmax(xₙ)[tₙ]: how surprised the logits xₙ are by the true class tₙ.

    Forward     lₙ = −xₙₜ + log Σⱼ eˣⁿʲ
    Backward, with g = ∂L/∂l (see Loss):
        ∂lₙ/∂xₙⱼ = −[j = tₙ] + eˣⁿʲ / Σₖ eˣⁿᵏ, so
        ∂L/∂x = g (softmax(x) − onehot(t))

    Shapes: input (N, C) of logits, target (N,) of integer classes, each in 0 … C − 1.
    """

    def forward(self, input: Array, target: Array) -> Any:
        self.check_input(input)
        if input.ndim != 2:
            raise ValueError(f"{self!r}: input has shape {input.shape}, expected (N, C)")
        if not isinstance(target, np.ndarray) or target.dtype.kind not in "iu":
            raise TypeError(f"{self!r}: target is not an array of integer classes")
        if target.shape != input.shape[:1]:
            raise ValueError(
                f"{self!r}: target has shape {target.shape}, expected {input.shape[:1]}"
            )
        classes = input.shape[1]
        if target.size and not (0 <= target.min() and target.max() < classes):
            raise IndexError(
                f"{self!r}: target has classes from {target.min()} to {target.max()}, "
                f"expected 0 to {classes - 1}"
            )
        log_p = log_softmax(input, axis=1)
        samples = np.arange(len(target))
        self.save_for_backward(log_p, target, samples)
        return self.reduce(-log_p[samples, target])

    def backward(self, grad_output: Any = 1) -> Array:
        log_p, target, samples = self.take_saved(grad_output)
        difference = np.exp(log_p)  # (N, C)
        difference[samples, target] -= 1
        g = self.expand(grad_output, len(target))
        return difference * (g[:, np.newaxis] if self.reduction == "none" else g)
