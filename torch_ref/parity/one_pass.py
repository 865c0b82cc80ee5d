"""One forward and backward pass, by hand or by autograd, with one set of names for what comes out.

("output", "0")             the outputs, nested tuples counted through
("gradient", "weight")      of a parameter, by its name
("gradient", "input 0")     of a floating input, counted as the outputs are
("inside", "layers.0")      what a submodule returned, where that is asked for
("gradient inside", …)      its gradient
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from inspect import signature
from typing import Any

import numpy as np
import torch

from manual import Module
from manual.arrays import FLOATS, as_tuple, is_floating
from manual.passes import observe_calls

from ..twin import to_numpy, to_torch
from .tolerance import Allowed, Sums

Quantities = dict[tuple[str, str], Any]  # arrays by kind and name
Upstream = Sequence[Any] | Callable[[Sequence[Any]], Sequence[Any]]


@dataclass
class Passed:
    """What one pass gave.

    Attributes:
        outputs: nested tuples counted through; None for one that was not asked for.
        upstream: the gradient of each output that was handed in.
        gradients: by parameter's name, and "input 0" …
        inside: what each submodule returned, and under "gradient inside" its gradient.
        allowed: how far rounding may take another pass from this one; known by hand only.
    """

    outputs: list[Any]
    upstream: list[Any]
    gradients: dict[str, Any]
    inside: Quantities = field(default_factory=dict)
    allowed: Allowed = field(default_factory=Allowed)

    @property
    def quantities(self) -> Quantities:
        """Outputs and gradients by kind and name."""
        outputs: Quantities = {
            ("output", str(i)): y for i, y in enumerate(self.outputs) if y is not None
        }
        gradients: Quantities = {("gradient", name): g for name, g in self.gradients.items()}
        return outputs | gradients | self.inside


def one_pass(
    module: Any,
    inputs: Sequence[Any],
    upstream: Upstream,
    inside: bool = False,
    input_gradients: bool = True,
) -> Passed:
    """Run a module forward and backward, from gradients that are zero.

    Args:
        module: of `manual`, or of PyTorch, where it may also be a function of tensors.
        inputs: arrays, for PyTorch too; others are handed on as they are.
        upstream: the gradient of each output, or a function that makes them from the outputs, such
            as a `Criterion`.
        inside: note also what each submodule of a PyTorch module returned.
        input_gradients: whether autograd is to compute those; by hand
            `Module.without_input_gradient` tells.
    """
    if isinstance(module, Module):
        return _by_hand(module, inputs, upstream)
    return _by_autograd(module, inputs, upstream, inside, input_gradients)


class Criterion:
    """A loss of a network's first output, on either side: makes the upstream gradients from it.

    `value` is the loss, once it has been called.
    """

    def __init__(self, loss: Any, *targets: Any) -> None:
        self.loss, self.targets = loss, targets
        self.value: Any = None

    def __call__(self, outputs: Sequence[Any]) -> list[Any]:
        first, *others = outputs
        if isinstance(self.loss, Module):
            self.value = self.loss(first, *self.targets)
            return [self.loss.backward(), *(y if y is None else np.zeros_like(y) for y in others)]
        leaf = first.detach().requires_grad_()
        value = self.loss(leaf, *map(to_torch, self.targets))
        (gradient,) = torch.autograd.grad(value, leaf)
        self.value = value.detach()
        return [gradient, *(y if y is None else torch.zeros_like(y) for y in others)]


def flat(values: Any) -> list[Any]:
    """The values that nested tuples and lists hold, in one list."""
    if isinstance(values, tuple | list):
        return [one for part in values for one in flat(part)]
    return [values]


def nested_as(pattern: Any, values: Iterator[Any]) -> Any:
    """The values one by one, nested as the pattern is."""
    if isinstance(pattern, tuple | list):
        return tuple(nested_as(part, values) for part in pattern)
    return next(values)


def run_back(module: Module, returned: Any, upstream: Iterable[Any]) -> list[Any]:
    """The inputs' gradients, from those of what `forward` returned, counted through."""
    return flat(module.backward(*nested_as(as_tuple(returned), iter(upstream))))


@cache
def target_of(forward: Any, backward: Any) -> int | None:
    """Which of a loss's inputs is a target whose gradient `backward` gives only when asked."""
    if "with_target" not in signature(backward).parameters:
        return None
    return list(signature(forward).parameters).index("target") - 1


def _by_hand(module: Module, inputs: Sequence[Any], upstream: Upstream) -> Passed:
    module.zero_grad()
    sums = Sums(module)
    with observe_calls(sums):  # the loss's too, whose rounding comes back as well
        returned = module(*inputs)
        outputs = flat(returned)
        handed = list(upstream(outputs) if callable(upstream) else upstream)
    by_input = run_back(module, returned, handed)
    target = target_of(type(module).forward, type(module).backward)
    if target is not None:
        by_input.insert(target, with_target(module, inputs, handed)[target])
    floating = [i for i, x in enumerate(flat(inputs)) if is_floating(x)]
    gradients = {f"input {i}": g for i, g in zip(floating, by_input, strict=False) if g is not None}
    gradients |= {n: p.grad for n, p in module.named_parameters() if p.requires_grad}
    return Passed(outputs, handed, gradients, allowed=sums.allowed)


def with_target(loss: Any, inputs: Sequence[Any], upstream: Sequence[Any]) -> list[Any]:
    """The gradients of all inputs of a loss, its target among them."""
    loss(*inputs)
    return flat(loss.backward(*upstream, with_target=True))


def _by_autograd(
    module: Any, inputs: Sequence[Any], upstream: Upstream, inside: bool, input_gradients: bool
) -> Passed:
    known = module if isinstance(module, torch.nn.Module) else torch.nn.Module()
    known.zero_grad()
    tensors = [x.detach() if torch.is_tensor(x) else to_torch(x) for x in flat(inputs)]
    floating = {
        i: t.requires_grad_()
        for i, t in enumerate(tensors)
        if input_gradients and torch.is_tensor(t) and t.is_floating_point()
    }
    parts: dict[str, torch.Tensor] = {}

    def forward() -> Any:
        return module(*nested_as(tuple(inputs), iter(tensors)))

    handles = list(note_parts(known, parts)) if inside else []
    try:
        returned = forward()
    except RuntimeError as error:  # a loss that PyTorch does not differentiate by its target
        if "not differentiable with respect to argument 'target'" not in str(error):
            raise
        floating.popitem()[1].requires_grad_(False)
        returned = forward()
    finally:
        for handle in handles:
            handle.remove()
    outputs = flat(returned)
    handed = [to_torch(g) for g in (upstream(outputs) if callable(upstream) else upstream)]
    pairs = zip(outputs, handed, strict=True)
    reached = [(y, g) for y, g in pairs if y is not None and y.requires_grad]
    torch.autograd.backward([y for y, _ in reached], [g for _, g in reached])
    gradients: dict[str, Any] = {f"input {i}": t.grad for i, t in floating.items()}
    gradients = {name: g for name, g in gradients.items() if g is not None}
    gradients |= {n: p.grad for n, p in known.named_parameters() if p.requires_grad}
    noted: Quantities = {("inside", name): part.detach() for name, part in parts.items()}
    noted |= {("gradient inside", name): part.grad for name, part in parts.items()}
    detached = [y if y is None else y.detach() for y in outputs]
    return Passed(detached, handed, gradients, noted)


def note_parts(module: torch.nn.Module, parts: dict[str, torch.Tensor]) -> Iterator[Any]:
    """Have every submodule note in `parts` what it returns, with its gradient."""
    for name, part in module.named_modules():
        if name:

            def note(part: Any, inputs: Any, output: Any, name: str = name) -> None:
                if torch.is_tensor(output) and output.requires_grad:
                    output.retain_grad()
                    parts[name] = output

            yield part.register_forward_hook(note)


def carried(parameters: Iterable[tuple[str, Any]], optimizer: Any) -> Quantities:
    """What a side carries from step to step: weights, and the optimizer's arrays beside them."""
    quantities: Quantities = {}
    states = optimizer.state
    for name, parameter in parameters:
        quantities["weight", name] = parameter.data
        state = states.get(parameter, {})
        for moment in sorted(state):
            if np.ndim(to_numpy(state[moment])):
                quantities["state", f"{moment} {name}"] = state[moment]
    return quantities


def statistics(module: Any) -> Quantities:
    """The numbers that a side's modules keep beside their parameters, such as running means."""
    return {
        ("statistic", name): values
        for name, values in module.named_buffers()
        if to_numpy(values).dtype in FLOATS
    }
