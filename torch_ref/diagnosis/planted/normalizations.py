"""Mistakes made with a normalization's sums: other axes, another count, another deviation.

With x̂ = (x − mean)/σ and d = ∂L/∂x̂, a normalization's gradient is
∂L/∂x = (d − Σd/n − x̂ Σ(d x̂)/n)/σ, both sums over what is normalized together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch.utils._pytree import tree_unflatten

from ..kinds import Change, at_slot, output_gradient, within
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


def normalization_changes(op: Op) -> Iterator[Change]:
    """The gradient of a normalization's input from other sums, counts or deviations."""
    n = normalized_by(op)
    if n is None:
        return
    name = f"{op.name}{within(op)}"
    x, right = n.x, n.deviation
    xhat = (x - n.mean) / right

    def changed(
        op: Op,
        grad_outputs: Gradients,
        grad_input: Tensor,
        axes: tuple[int, ...] = n.axes,
        less: tuple[int, int] = (0, 0),
        deviation: Tensor = right,
        again: bool = False,
        mix: Any = None,
    ) -> Tensor:
        d = n.whole(output_gradient(grad_outputs)) * n.weight
        d = d if mix is None else mix(d.reshape(grad_input.shape)).reshape(d.shape)
        hat = (x - n.mean) / deviation if again else xhat
        if axes:
            count = torch.Size(x.shape[a] for a in axes).numel()
            mean = d.sum(axes, keepdim=True) / (count - less[0])
            d = d - mean - hat * (d * hat).sum(axes, keepdim=True) / (count - less[1])
        return (d / deviation).reshape(grad_input.shape)

    def change(**options: Any) -> Any:
        return at_slot(0, partial(changed, **options))

    sets = [s for size in range(1, x.dim() + 1) for s in combinations(range(x.dim()), size)]
    for axes in sets:
        if axes != n.axes and torch.Size(x.shape[a] for a in axes).numel() > 1:
            where = ", ".join(map(str, axes))
            own = f"not {', '.join(map(str, n.axes))}" if n.axes else "where it has none"
            what = f"the sums in the gradient of {name} go over the axes {where} of "
            what += f"{'(N, G, C / G, …)' if n.groups > 1 else 'its input'}, {own}"
            yield "wrong-axes", f"axes {axes}", what, change(axes=axes)
    if n.axes and torch.Size(x.shape[a] for a in n.axes).numel() > 2:
        for less, which in (
            ((1, 1), "both sums"),
            ((0, 1), "the sum that comes through the variance"),
            ((1, 0), "the sum that comes through the mean"),
        ):
            what = f"{which} in the gradient of {name} are divided by n − 1, not n"
            what = what.replace("are", "are" if less == (1, 1) else "is")
            yield "wrong-count", f"n − 1 {less}", what, change(less=less)
    for how, deviation in (
        ("without ε", n.variance.sqrt()),
        ("with ε outside the root", n.variance.sqrt() + n.eps),
        ("as the variance, its root forgotten", n.variance + n.eps),
    ):
        what = f"the deviation in the gradient of {name} is taken {how}"
        yield "epsilon", how, what, change(deviation=deviation)

        def all_with(
            op: Op, grad_outputs: Gradients, grad_inputs: Gradients, deviation: Tensor = deviation
        ) -> Gradients:
            x_grad, *others = grad_inputs
            assert x_grad is not None
            x_grad = changed(op, grad_outputs, x_grad, deviation=deviation, again=True)
            if others and others[0] is not None and torch.is_tensor(n.weight):
                hat = (x - n.mean) / deviation
                through = n.whole(output_gradient(grad_outputs)) * hat
                others[0] = through.sum_to_size(n.weight.shape).reshape(others[0].shape)
            return [x_grad, *others]

        yield "epsilon", f"{how}, x̂ too", f"{what}, for x̂ as well", all_with
    for how, mix in mixings(n.groups) if n.groups > 1 else ():
        what = f"in the gradient of {name} the channels are {how}"
        yield "other-group", f"{how} 0", what, change(mix=mix)
