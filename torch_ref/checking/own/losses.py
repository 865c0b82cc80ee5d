"""The loss that a network's backward starts from, where its forward ends before it.

It is theirs, where a function or method of theirs computes it; else one of the usual ones: that
whose slope their own derivative of it is, or that which most of their gradients fit.
"""

import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..candidates.base import call_code
from .programs import Forwarded, Program, floats_in, required
from .words import BACKWARDS, LOSSES, is_target

Loss = Callable[[Any, Any], Any]
SLOPES = (
    *("cost_derivative", "loss_derivative", "loss_prime", "cost_prime", "mse_prime", "d_loss"),
    *("delta_cost", "loss_grad", "loss_gradient", "cost_gradient", "dloss"),
)

IN_LOSSES = ("loss", "cost", "mse", "entropy", "squared_error", "objective")  # words in their names


def squares(y: Any, t: Any) -> Any:
    return ((y - t) ** 2).sum()


def binary_entropy(y: Any, t: Any) -> Any:
    return -(t * np.log(y) + (1 - t) * np.log(1 - y)).sum()


def entropy(y: Any, t: Any) -> Any:
    return -(t * np.log(y)).sum()


FAMILIES: tuple[tuple[Loss, str], ...] = (
    (squares, "the sum of the squared differences"),
    (binary_entropy, "the cross-entropy of probabilities, −Σ t log y + (1 − t) log(1 − y)"),
    (entropy, "the cross-entropy, −Σ t log y"),
)


def usual(shape: Sequence[int]) -> Iterator[tuple[str, Loss]]:
    """Losses of an output of this shape, each with its words."""
    counts = {"": 1.0, " over its size": float(np.prod(shape))}
    if len(shape) == 2:
        counts |= {" over the rows": float(shape[0]), " over the columns": float(shape[1])}
    for loss, words in FAMILIES:
        for half in (0.5, 1.0) if loss is squares else (1.0,):
            for over, count in counts.items():
                name = f"{'half ' if half != 1 else ''}{words}{over}"
                yield name, scaled(loss, half / count)


def scaled(loss: Loss, factor: float) -> Loss:
    return lambda y, t: loss(y, t) * factor


class WithLoss(Program):
    """A network whose backward starts from a target, with a loss behind its forward pass.

    Args:
        program: the network.
        loss: of the output and the target; `words` says which it is.
    """

    def __init__(self, program: Program, loss: Loss, words: str) -> None:
        self.inner, self.loss = program, loss
        handed = program.handed
        super().__init__(program.name, program.root, handed, program.forward, loss)
        self.spaces, self.tensors = program.spaces, program.tensors
        self.takes_upstream, self.meaning = False, f"its backward is that of {words}"
        self.assumed_rate, self.kept_target = program.assumed_rate, program.kept_target

    @property
    def target(self) -> str:
        """The name of what the output is compared with."""
        names = list(self.handed.more)
        return next((name for name in names if is_target(name)), names[0])

    def of_all(self, outputs: Sequence[Any], target: Any) -> Any:
        """The loss of an output, or of a list of numbers, added up."""
        if len(outputs) == 1:
            return self.loss(outputs[0], target)
        return sum(self.loss(y, t) for y, t in zip(outputs, target, strict=True))

    def target_in(self, root: Any, inputs: Sequence[Any]) -> Any:
        """The target, handed in or held."""
        if self.kept_target:
            return getattr(root, self.kept_target)
        return self.inner.more(inputs)[self.target]

    def forward(self, root: Any, inputs: Sequence[Any]) -> Forwarded:
        done = self.inner.forward(root, inputs)
        target = self.target_in(root, inputs)
        value = call_code("the loss", self.of_all, done.outputs, target)
        return Forwarded(floats_in(value)[:1], done)

    def backward(
        self, root: Any, upstream: Sequence[Any], inputs: Sequence[Any], done: Forwarded, lr: float
    ) -> Any:
        returned = self.inner.backward(root, upstream, inputs, done.cache, lr)
        self.rate, self.unsure = self.inner.rate, self.inner.unsure
        return returned


def as_loss(function: Any) -> Loss:
    """A function of theirs as one of output and target."""
    names = required(function)
    first = is_target(names[0]) and not is_target(names[1])
    return lambda y, t: function(*((t, y) if first else (y, t)))


def beside(program: Program) -> list[Any]:
    """The functions and methods beside a network that may be its loss."""
    found = []
    root = program.root
    for name in LOSSES:
        one = getattr(root, name, None)
        if callable(one) and not isinstance(one, type):
            found.append(one)
    for space in program.spaces:
        for name, value in space.items():
            low = name.lower()
            is_one = any(word in low for word in IN_LOSSES)
            no_slope = not any(word in low for word in (*BACKWARDS, "deriv", "_d", "delta"))
            if isinstance(value, types.FunctionType) and is_one and no_slope:
                found.append(value)
    return [one for one in dict.fromkeys(found) if len(required(one)) == 2]


def slopes_beside(program: Program) -> list[Any]:
    """The functions and methods beside a network that are named as a loss's derivative."""
    found = [getattr(program.root, name, None) for name in SLOPES]
    for space in program.spaces:
        found += [
            value
            for name, value in space.items()
            if isinstance(value, types.FunctionType)
            and any(word in name.lower() for word in IN_LOSSES)
            and any(word in name.lower() for word in ("deriv", "prime", "grad", "delta"))
        ]
    return [one for one in found if callable(one) and len(required(one)) == 2]


def with_this_slope(slope: Any, output: Any, target: Any) -> tuple[str, Loss] | None:
    """The usual loss that their derivative is the slope of."""
    names = required(slope)
    first = is_target(names[0]) and not is_target(names[1])
    given = [target, output] if first else [output, target]
    theirs = np.asarray(call_code(slope.__name__, slope, *given), float)
    if theirs.shape != output.shape:
        return None
    for words, loss in usual(output.shape):
        with np.errstate(all="ignore"):
            if np.allclose(theirs, by_differences(loss, output, target), rtol=1e-6, atol=1e-7):
                return words, loss
    return None


def by_differences(loss: Loss, y: np.ndarray, t: Any) -> np.ndarray:
    """The slope of a loss."""
    slope = np.zeros(y.shape)
    for index in np.ndindex(*y.shape):
        step = np.zeros(y.shape)
        step[index] = 1e-6
        slope[index] = (loss(y + step, t) - loss(y - step, t)) / 2e-6
    return slope
