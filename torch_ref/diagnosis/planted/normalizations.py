"""Mistakes made with a normalization's sums: other axes, another count, another deviation.

With x̂ = (x − mean)/σ and d = ∂L/∂x̂, a normalization's gradient is
∂L/∂x = (d − Σd/n − x̂ Σ(d x̂)/n)/σ, both sums over what is normalized together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch.utils._pytree import tree_unflatten

from ..kinds import Change, from_output, output_gradient, within
from ..operations import Gradients, Op, Tensor
from .windows import mixings


@dataclass
class Normalized:
    """What an operation normalizes, as (N, C, …) or, of groups, (N, G, C / G, …).

    Attributes:
        axes: those normalized over; none where the statistics are constants.
    """

    x: Tensor
    mean: Tensor
    variance: Tensor
    eps: float
    weight: Any
    axes: tuple[int, ...]
    groups: int = 1

    def count(self, axes: tuple[int, ...]) -> int:
        """How many elements lie along these axes."""
        return torch.Size(self.x.shape[a] for a in axes).numel()

    def whole(self, g: Tensor) -> Tensor:
        return g.reshape(self.x.shape)

    @property
    def deviation(self) -> Tensor:
        return (self.variance + self.eps).sqrt()


def normalized_by(op: Op) -> Normalized | None:
    """What an operation normalizes; None if it is no normalization."""
    if op.function is None or not op.short.startswith(("native_", "_native_")) or not op.slots:
        return None
    if op.slots[0][0] != 0:
        return None
    values: dict[int, Tensor] = {position: value.tensor for position, value in op.slots}
    flat = [values.get(position, argument) for position, argument in enumerate(op.flat)]
    args, _ = tree_unflatten(flat, op.spec)
    x = args[0]
    if op.short == "native_group_norm":
        weight, groups, eps = args[1], args[6], args[7]
        x = x.reshape(len(x), groups, x.shape[1] // groups, -1)
        weight = 1 if weight is None else weight.reshape(groups, -1, 1)
        return of(x, (2, 3), eps, weight, groups)
    if op.short == "native_layer_norm":
        shape, weight, eps = args[1], args[2], args[4]
        axes = tuple(range(x.dim() - len(shape), x.dim()))
        return of(x, axes, eps, 1 if weight is None else weight)
    if "batch_norm" in op.short and len(args) == 8:
        weight, running_mean, running_var, training, eps = (
            args[1],
            args[3],
            args[4],
            args[5],
            args[7],
        )
        shape = [1, -1, *[1] * (x.dim() - 2)]
        weight = 1 if weight is None else weight.reshape(shape)
        if training:
            return of(x, (0, *range(2, x.dim())), eps, weight)
        mean, variance = running_mean.reshape(shape), running_var.reshape(shape)
        return Normalized(x, mean, variance, eps, weight, ())
    return None


def of(x: Tensor, axes: tuple[int, ...], eps: float, weight: Any, groups: int = 1) -> Normalized:
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)
    return Normalized(x, mean, variance, eps, weight, axes, groups)


def gradient_of(
    n: Normalized,
    g: Tensor,
    axes: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    less: tuple[int, int] = (0, 0),
    deviation: Tensor | None = None,
    again: bool = False,
    operand: Tensor | None = None,
    factor: Tensor | None = None,
    unweighted: bool = False,
    mix: Any = None,
) -> Tensor:
    """A normalization's input gradient, its formula as it is or changed.

    Args:
        axes: of the first sum and of the second.
        less: what is taken off n in the first and in the second.
        deviation: σ; with `again` in x̂, too.
        operand, factor: for x̂ within the second sum, and before it.
        unweighted: the sums are of the upstream gradient as it came, without γ.
        mix: of the upstream gradient's channels.
    """
    own = n.deviation
    deviation = own if deviation is None else deviation
    d = n.whole(g) * n.weight
    d = d if mix is None else mix(d.reshape(g.shape)).reshape(d.shape)
    hat = (n.x - n.mean) / (deviation if again else own)
    operand, factor = hat if operand is None else operand, hat if factor is None else factor
    summed = n.whole(g) if unweighted else d
    first, second = (n.axes, n.axes) if axes is None else axes
    if first or second:
        means = [
            part.sum(over, keepdim=True) / (n.count(over) - off)
            for part, over, off in zip(
                (summed, summed * operand), (first, second), less, strict=True
            )
        ]
        d = d - means[0] - factor * means[1]
    return (d / deviation).reshape(g.shape)


Formula = tuple[str, str, str, Callable[[Tensor], Tensor]]  # kind, key, what, of the gradient


def normalization_formulas(n: Normalized, name: str) -> Iterator[Formula]:
    """The gradient of a normalization's input from other sums, counts, operands or deviations."""

    def formula(**options: Any) -> Callable[[Tensor], Tensor]:
        return lambda g: gradient_of(n, g, **options)

    x = n.x
    sets = [s for size in range(1, x.dim() + 1) for s in combinations(range(x.dim()), size)]
    of_what = "(N, G, C / G, …)" if n.groups > 1 else "its input"
    own = f"not {', '.join(map(str, n.axes))}" if n.axes else "where it has none"
    for axes in sets:
        if axes == n.axes or n.count(axes) < 2:
            continue
        over = f"over the axes {', '.join(map(str, axes))} of {of_what}, {own}"
        what = f"the sums in the gradient of {name} go {over}"
        yield "wrong-axes", f"axes {axes}", what, formula(axes=(axes, axes))
        for one, which in enumerate(("mean", "variance") if n.axes else ()):
            both = (axes, n.axes) if one == 0 else (n.axes, axes)
            what = f"the sum through the {which} in the gradient of {name} goes {over}"
            yield "wrong-axes", f"axes {axes} {which}", what, formula(axes=both)
    if n.axes and n.count(n.axes) > 2:
        for less, which in (
            ((1, 1), "both sums"),
            ((0, 1), "the sum that comes through the variance"),
            ((1, 0), "the sum that comes through the mean"),
        ):
            what = f"{which} in the gradient of {name} are divided by n − 1, not n"
            what = what.replace("are", "are" if less == (1, 1) else "is")
            yield "wrong-count", f"n − 1 {less}", what, formula(less=less)
    if n.axes:
        centred = x - n.mean
        for letter, other in {"x": x, "x − mean": centred, "1": torch.ones_like(x)}.items():
            for options, where in (
                ({"operand": other}, "within its second sum"),
                ({"factor": other}, "before its second sum"),
                ({"operand": other, "factor": other}, "within its second sum and before it"),
            ):
                what = f"in the gradient of {name} stands {letter} for x̂ {where}"
                yield "wrong-argument", f"{letter} {where}", what, formula(**options)
        if torch.is_tensor(n.weight):
            what = f"the sums in the gradient of {name} are taken without its weight"
            yield "forgotten-factor", "unweighted", what, formula(unweighted=True)
    for how, deviation in deviations(n):
        what = f"the deviation in the gradient of {name} is taken {how}"
        yield "epsilon", how, what, formula(deviation=deviation)
    for how, mix in mixings(n.groups) if n.groups > 1 else ():
        what = f"in the gradient of {name} the channels are {how}"
        yield "other-group", f"{how} 0", what, formula(mix=mix)


def deviations(n: Normalized) -> Iterator[tuple[str, Tensor]]:
    """Other deviations than √(variance + ε), and how they are taken."""
    if n.eps:
        yield "without ε", n.variance.sqrt()
        yield "with ε outside the root", n.variance.sqrt() + n.eps
    yield "as the variance, its root forgotten", n.variance + n.eps


def normalization_changes(op: Op) -> Iterator[Change]:
    """All that may go wrong in a normalization of PyTorch's, noted as a whole."""
    n = normalized_by(op)
    if n is None:
        return
    name = f"{op.name}{within(op)}"
    for kind, key, what, formula in normalization_formulas(n, name):
        yield kind, key, what, from_output(0, formula)
    for how, deviation in deviations(n):

        def all_with(
            op: Op, grad_outputs: Gradients, grad_inputs: Gradients, deviation: Tensor = deviation
        ) -> Gradients:
            g, (x_grad, *others) = output_gradient(grad_outputs), grad_inputs
            assert x_grad is not None
            x_grad = gradient_of(n, g, deviation=deviation, again=True).reshape(x_grad.shape)
            if others and others[0] is not None and torch.is_tensor(n.weight):
                hat = (n.x - n.mean) / deviation
                through = n.whole(g) * hat
                others[0] = through.sum_to_size(n.weight.shape).reshape(others[0].shape)
            return [x_grad, *others]

        what = f"the deviation in the gradient of {name} is taken {how}, for x̂ as well"
        yield "epsilon", f"{how}, x̂ too", what, all_with
