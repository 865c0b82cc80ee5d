"""How far rounding alone may take two right computations apart: stated here, and nowhere else.

**One pass.** A sum of n terms is rounded n times, by half an eps each on both sides: n eps in the
worst case. Each module says how long its sums are (`Module.sum_lengths`); around them stands a
chain of element-wise operations, ROUNDINGS of them. What an output is made of are the sums of all
calls before it; a gradient has those too, and the sums of all calls back from the end.

**An update** makes of a gradient's rounding what its formula makes of it: Adam's first step is
η g/(|g| + ε), so that where |g| is about ε the last bit of g becomes a visible part of η, and Rprop
acts on a sign. So the step is taken again from gradients moved by as much as they may be off, and a
weight may part by as much as it moves then. Over many steps that is done at each of them, in two
`Shadows` of the by-hand run, which are moved in opposite directions. Where training itself
magnifies what rounding does, until half of all digits are gone, two trajectories prove nothing any
more: then they are brought together again, and go on from there.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from manual import Module, Optimizer
from manual.arrays import FLOATS, Array, is_floating
from manual.passes import observe_calls

EPS = {dtype: float(np.finfo(dtype).eps) for dtype in FLOATS}
ROUNDINGS = 16.0  # of an element-wise chain such as a sigmoid, its derivative and a product
Key = tuple[str, str]  # kind and name, as in one_pass.py


@dataclass(frozen=True)
class Allowed:
    """The allowed distance of each quantity from its reference, in eps.

    Attributes:
        forward: of an output.
        backward: of an input's gradient.
        parameters: of each parameter's gradient.
        explained: of what a step or several make of these, where shadows have shown it.
    """

    forward: float = ROUNDINGS
    backward: float = ROUNDINGS
    parameters: Mapping[str, float] = field(default_factory=dict)
    explained: Mapping[Key, float] = field(default_factory=dict)

    def __call__(self, kind: str, name: str) -> float:
        if kind == "output":
            eps = self.forward
        elif kind == "gradient":
            eps = self.parameters.get(name, self.backward)
        else:  # a weight, an optimizer's moment, a learning rate
            eps = ROUNDINGS
        return eps + self.explained.get((kind, name), 0.0)


class Sums:
    """An observer of one forward pass, which adds up what the sums of all calls allow."""

    def __init__(self, module: Module) -> None:
        self.names = {id(part): name for name, part in module.named_modules()}
        self.forward = self.backward = 0.0
        self.parameters: dict[str, float] = {}

    def __call__(self, part: Module, inputs: Any, named: Any, outputs: Any) -> Any:
        lengths = part.sum_lengths(*inputs, **named)
        self.forward += lengths.pop("output", 1) + ROUNDINGS
        self.backward += lengths.pop("input", 1) + ROUNDINGS
        for name, length in lengths.items():
            full = ".".join(filter(None, (self.names.get(id(part)), name)))
            self.parameters[full] = self.parameters.get(full, 0.0) + length
        return outputs

    @property
    def allowed(self) -> Allowed:
        through = self.forward + self.backward
        by_name = {name: through + length for name, length in self.parameters.items()}
        return Allowed(self.forward, through, by_name)


def allowed_at_most(
    parameters: Iterable[Sequence[int]], inputs: Sequence[Any], outputs: Sequence[Any]
) -> Allowed:
    """What is allowed of code whose sums are not known: none is longer than what it is made of.

    Every parameter's longest axis counts as one sum, and the longest axis of the first input as one
    more; of all its elements, where only numbers come out.

    Args:
        parameters: their shapes.
    """
    terms = float(sum(max(shape, default=1) for shape in parameters))
    shape = np.shape(inputs[0]) if inputs else ()
    alone = all(np.ndim(y) == 0 for y in outputs)
    terms += float(np.prod(shape)) if alone else max(shape, default=1)
    return Allowed(terms + ROUNDINGS, terms + ROUNDINGS)


class Moves:
    """Moves numbers by what rounding may do to them, in directions drawn at random.

    Args:
        sign: two of opposite signs make the same draws, and opposite moves.
    """

    DRAWN = 65_521  # directions, used over and over; no batch of numbers divides a prime

    def __init__(self, sign: int) -> None:
        self.signs = sign * np.random.default_rng(0).choice([-1.0, 1.0], size=self.DRAWN)
        self.next = 0

    def draw(self, count: int) -> Array:
        """The next `count` directions, 1 or −1."""
        if count > len(self.signs):
            self.signs = np.resize(self.signs, count)
        first = self.next if self.next + count <= len(self.signs) else 0
        self.next = (first + count) % self.DRAWN
        return self.signs[first : first + count]

    def __call__(self, values: Array, eps: float, scale: float = 0.0) -> Array:
        """Each number moved by so many eps of the largest, or of `scale` if that is larger.

        Zero stays zero: what is zero without rounding is zero on both sides.
        """
        size = max(scale, float(np.abs(values).max(initial=0)))
        moves = self.draw(values.size).reshape(values.shape) * (eps * EPS[values.dtype] * size)
        moves *= values != 0
        return values + moves.astype(values.dtype, copy=False)


class Shadow:
    """A by-hand run carried along once more, moved by what rounding may do to it.

    What each module returns is moved by the allowed distance of its own sums, and so are the
    gradients before a step. It stands in for the optimizer of its own copy of the module.

    Args:
        sign: of the moves.

    Attributes:
        handed: gradients to step from, where not its own.
    """

    def __init__(self, module: Module, optimizer: Optimizer, sign: int) -> None:
        self.module, self.optimizer = copy.deepcopy((module, optimizer))
        self.moves = Moves(sign)
        self.parameters = list(self.module.named_parameters())
        self.allowed = Allowed()
        self.scales: Mapping[Key, float] = {}
        self.handed: Mapping[str, Array] = {}

    def move_outputs(self, part: Module, inputs: Any, named: Any, outputs: Any) -> Any:
        """An observer that moves what a module returned; a probability stays one."""
        length = part.sum_lengths(*inputs, **named).get("output", 1)

        def each(values: Any) -> Any:
            if isinstance(values, tuple | list):
                return type(values)(map(each, values))
            if not is_floating(values) or not np.size(values):
                return values
            low = 0 if np.min(values) >= 0 else -np.inf
            high = 1 if low == 0 and np.max(values) <= 1 else np.inf
            return self.moves(np.asarray(values), length + ROUNDINGS).clip(low, high)[()]

        return each(outputs)

    def take_over(self, module: Module, optimizer: Optimizer) -> None:
        """Go on from where the run is now."""
        self.module.load_state_dict(module.state_dict())
        self.optimizer.load_state_dict(optimizer.state_dict())

    def zero_grad(self) -> None:
        self.module.zero_grad()

    def step(self) -> None:
        """The optimizer's step, from moved gradients; afterwards they are as they were."""
        unmoved = [(n, p, p.grad.copy()) for n, p in self.parameters if p.grad is not None]
        for name, parameter, gradient in unmoved:
            eps = ROUNDINGS if self.handed else self.allowed("gradient", name)
            scale = self.scales.get(("gradient", name), 0.0)
            values = self.handed.get(name, gradient)
            if np.abs(values).max(initial=0) <= eps * EPS[values.dtype]:  # perhaps truly zero
                scale = max(scale, 1.0)
            parameter.grad = self.moves(values, eps, scale)
        self.optimizer.step()
        for _, parameter, gradient in unmoved:
            parameter.grad = gradient


class Shadows:
    """Two shadows of a by-hand run, and how far from it they have been."""

    def __init__(self, module: Module, optimizer: Optimizer) -> None:
        self.run = optimizer
        self.both = [Shadow(module, optimizer, sign) for sign in (1, -1)]
        self.furthest: list[dict[Key, float]] = [{}, {}]  # of each

    def take_over(self, module: Module, optimizer: Optimizer) -> None:
        """Go on from where the run is now: what follows is one step's, no longer the run's."""
        self.furthest = [{}, {}]
        for shadow in self.both:
            shadow.take_over(module, optimizer)

    @property
    def far(self) -> bool:
        """Whether rounding alone has used up half of the digits of what comes out.

        Of the outputs, not of every weight: an attention's scores do not depend on its keys' bias,
        whose true gradient is zero, and Adam makes whole steps of what rounding leaves of it.
        """
        dtype = next(self.both[0].module.parameters()).data.dtype
        outputs = [eps for (kind, _), eps in self.explained.items() if kind == "output"]
        return max(outputs, default=0.0) * EPS[dtype] > math.sqrt(EPS[dtype])

    @property
    def explained(self) -> dict[Key, float]:
        """How far each quantity has been from the run in both shadows, added up.

        A move that one shadow does not show the other does, or each shows a half of it.
        """
        one, other = self.furthest
        return {key: one[key] + other[key] for key in one}

    def follow(
        self,
        allowed: Allowed,
        run_results: Mapping[Key, Any],
        scales: Mapping[Key, float],
        step: Callable[[Shadow], Mapping[Key, Any]],
    ) -> Allowed:
        """Let both shadows take the step that the run has taken; what is allowed of its results.

        Args:
            allowed: of the step's own outputs and gradients.
            run_results: of the run's own step.
            scales: what each result is measured against, where that is larger than its own size.
            step: takes a shadow one step on and gives its results.
        """
        for shadow, furthest in zip(self.both, self.furthest, strict=True):
            shadow.allowed, shadow.scales = allowed, scales
            for group, its in zip(
                shadow.optimizer.param_groups, self.run.param_groups, strict=True
            ):
                group |= {key: value for key, value in its.items() if key != "params"}
            # It may run off to infinity before the run itself does.
            with np.errstate(all="ignore"), observe_calls(shadow.move_outputs):
                results = step(shadow)
                for key, values in run_results.items():
                    if key in results and np.size(values):
                        apart = shadow_distance(
                            results[key], np.asarray(values), scales.get(key, 0.0)
                        )
                        furthest[key] = max(apart, furthest.get(key, 0.0))
        return replace(allowed, explained=self.explained)


def shadow_distance(shadow: Any, run: Array, scale: float = 0.0) -> float:
    """How far a shadow's result is from the run's own, in eps; NaN is infinitely far."""
    size = max(scale, float(np.abs(run).max())) or 1.0
    apart = float(np.abs(shadow - run).max()) / size / EPS[run.dtype]
    return np.inf if np.isnan(apart) else apart
