"""Optimizers: how a gradient becomes a step.

An optimizer gathers the parameters of a group into one flat array, and their gradients and its own
moments into others, so that a step is a handful of array operations however many layers there are.
A parameter's `data` and `grad` become views into those arrays: nothing is copied in a step.

In the formulas w is a parameter, g its gradient, t the number of steps taken, this one included.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np

from .module import Array, Parameter, constructor_call


class Run:
    """Neighbours in the flat arrays that have a gradient and have taken equally many steps."""

    def __init__(self, flat: "Flat", first: int, last: int) -> None:
        self.flat = flat
        self.span = slice(flat.offsets[first], flat.offsets[last])
        self.w = flat.data[self.span]
        self.g = flat.grad[self.span]
        self.scratch = flat.scratch[:, self.span]
        self.step = 0
        self._state: dict[str, Array] = {}

    def state(self, name: str) -> Array:
        """The optimizer's own array of this name beside `w`; zeros at first."""
        if name not in self._state:
            whole = self.flat.state.setdefault(name, np.zeros_like(self.flat.data))
            self._state[name] = whole[self.span]
        return self._state[name]


class Flat:
    """The parameters of one group, in flat arrays."""

    def __init__(self, parameters: list[Parameter]) -> None:
        self.parameters = parameters
        self.offsets = [0, *np.cumsum([p.data.size for p in parameters]).tolist()]
        self.steps = [0] * len(parameters)
        self.state: dict[str, Array] = {}
        self.adopt()

    def adopt(self) -> None:
        """Gather every parameter's values and gradient into this group's arrays."""
        size = self.offsets[-1]
        dtype = self.parameters[0].data.dtype
        self.data, self.grad = np.empty(size, dtype), np.zeros(size, dtype)
        self.scratch = np.empty((2, size), dtype)
        self.state = {name: array.astype(dtype) for name, array in self.state.items()}
        self.views = [self.split(self.data, i) for i in range(len(self.parameters))]
        for i, parameter in enumerate(self.parameters):
            parameter.move_to(self.views[i], self.split(self.grad, i))
        self._runs: dict[tuple[int, int], Run] = {}

    def split(self, array: Array, i: int) -> Array:
        """The part of a flat array that belongs to parameter i, in its shape."""
        start, stop = self.offsets[i], self.offsets[i + 1]
        return array[start:stop].reshape(self.parameters[i].shape)

    def runs(self) -> Iterator[Run]:
        """What there is to update: the longest stretches that can be updated as one."""
        for parameter, view in zip(self.parameters, self.views, strict=True):
            if parameter.data is not view:  # cast, or gathered by another optimizer since
                self.adopt()
                break

        def steps_of(i: int) -> int | None:
            parameter = self.parameters[i]
            moves = parameter.requires_grad and parameter.grad is not None
            return self.steps[i] if moves else None

        for steps, neighbours in groupby(range(len(self.parameters)), key=steps_of):
            if steps is None:
                continue
            members = list(neighbours)
            first, last = members[0], members[-1] + 1
            if (first, last) not in self._runs:
                self._runs[first, last] = Run(self, first, last)
            run = self._runs[first, last]
            run.step = steps + 1
            self.steps[first:last] = [run.step] * (last - first)
            yield run


class Optimizer:
    """The base of the optimizers. A subclass says in `update` what happens to one flat run.

    Args:
        params: parameters, or groups of them: dicts with `params` and settings of their own.
    Raises:
        ValueError: no parameters, one twice, mixed dtypes, or a setting out of its range.
    """

    def __init__(self, params: Iterable[Any], **defaults: Any) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._flats: list[Flat] = []
        given = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__}: there are no parameters to optimize")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters, with settings of their own where the defaults are not wanted."""
        name = type(self).__name__
        unknown = group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise ValueError(f"{name}: a group has the unknown setting {sorted(unknown)[0]!r}")
        settings = {**self.defaults, **group, "params": list(group["params"])}
        parameters = settings["params"]
        if not parameters:
            raise ValueError(f"{name}: a group has no parameters")
        for parameter in parameters:
            if not isinstance(parameter, Parameter):
                raise TypeError(f"{name}: got a {type(parameter).__name__}, expected a Parameter")
        everything = [id(p) for g in (*self.param_groups, settings) for p in g["params"]]
        if len(set(everything)) < len(everything):
            raise ValueError(f"{name}: a parameter is given more than once")
        dtypes = sorted({p.data.dtype.name for p in parameters})
        if len(dtypes) > 1:
            raise ValueError(f"{name}: a group mixes the dtypes {', '.join(dtypes)}")
        self.check(settings)
        self.param_groups.append(settings)
        self._flats.append(Flat(parameters))

    def check(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a setting out of its range."""
        for name in ("lr", "eps", "weight_decay", "momentum"):
            if name in group:
                self.require(name, group[name], 0 <= group[name] < math.inf, "at least 0")
        for beta in group.get("betas", ()):
            self.require("betas", group["betas"], 0 <= beta < 1, "each in [0, 1)")

    def require(self, name: str, value: Any, holds: bool, wanted: str) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} is {value}, expected {wanted}")

    def zero_grad(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient; the others stay as they are."""
        for group, flat in zip(self.param_groups, self._flats, strict=True):
            for run in flat.runs():
                self.update(run, **group)

    def update(self, run: Run, *args: Any, **settings: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def descent(self, run: Run, weight_decay: float, maximize: bool) -> Array:
        """The gradient to go against: g + λw, or −g + λw to maximize. May use scratch 0."""
        g = run.g
        if maximize:
            g = np.negative(g, out=run.scratch[0])
        if weight_decay:
            decay = np.multiply(run.w, weight_decay, out=run.scratch[1])
            g = np.add(g, decay, out=run.scratch[0])
        return g

    def state_of(self, parameter: Parameter) -> dict[str, Array]:
        """What has been gathered for one parameter: views, in its shape, by name."""
        for flat in self._flats:
            for i, candidate in enumerate(flat.parameters):
                if candidate is parameter and flat.steps[i]:
                    return {name: flat.split(a, i) for name, a in flat.state.items()}
        return {}

    def state_dict(self) -> dict[str, Any]:
        """In PyTorch's layout: what each parameter has gathered, by number, and the settings."""
        state, groups, first = {}, [], 0
        for group, flat in zip(self.param_groups, self._flats, strict=True):
            for i, steps in enumerate(flat.steps):
                if steps and flat.state:
                    moments = {name: flat.split(a, i).copy() for name, a in flat.state.items()}
                    state[first + i] = {"step": steps, **moments}
            numbers = list(range(first, first + len(flat.parameters)))
            groups.append({**group, "params": numbers})
            first += len(numbers)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state. Nothing is changed unless everything fits.

        Raises:
            ValueError: the groups, or an array's shape, are not this optimizer's.
        """
        name = type(self).__name__
        groups, state = state_dict["param_groups"], state_dict["state"]
        sizes = [len(group["params"]) for group in groups]
        own = [len(flat.parameters) for flat in self._flats]
        if sizes != own:
            raise ValueError(f"{name}: state for groups of {sizes} parameters, expected {own}")
        parameters = [p for flat in self._flats for p in flat.parameters]
        for i, moments in state.items():
            for key, values in moments.items():
                if key != "step" and np.shape(values) != parameters[i].shape:
                    raise ValueError(
                        f"{name}: {key} of parameter {i} has shape {np.shape(values)}, "
                        f"expected {parameters[i].shape}"
                    )
        first = 0
        for group, flat, given in zip(self.param_groups, self._flats, groups, strict=True):
            group.update({key: value for key, value in given.items() if key != "params"})
            flat.state = {}
            for i in range(len(flat.parameters)):
                moments = dict(state.get(first + i, {}))
                flat.steps[i] = int(moments.pop("step", bool(moments)))
                for key, values in moments.items():
                    whole = flat.state.setdefault(key, np.zeros_like(flat.data))
                    flat.split(whole, i)[...] = values
            flat.adopt()
            first += len(flat.parameters)

    def __repr__(self) -> str:
        return constructor_call(type(self), {"params": ..., **self.defaults})


class SGD(Optimizer):
    """Stochastic gradient descent.

    g ← g + λ w                         weight decay λ: the gradient of ½ λ w²
    v ← μ v + (1 − d) g                 momentum μ, dampening d; v = g at the first step
    w ← w − η v                         or, nesterov: w ← w − η (g + μ v)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        if group["nesterov"]:
            momentum, dampening = group["momentum"], group["dampening"]
            self.require("momentum", momentum, momentum > 0, "more than 0 for nesterov")
            self.require("dampening", dampening, dampening == 0, "0 for nesterov")

    def update(
        self,
        run: Run,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        **_: Any,
    ) -> None:
        g = self.descent(run, weight_decay, maximize)
        if momentum:
            v = run.state("momentum_buffer")
            if run.step == 1:
                v[...] = g
            else:
                v *= momentum
                v += np.multiply(g, 1 - dampening, out=run.scratch[1])
            if nesterov:
                ahead = np.multiply(v, momentum, out=run.scratch[1])
                g = np.add(g, ahead, out=run.scratch[0])
            else:
                g = v
        run.w -= np.multiply(g, lr, out=run.scratch[0])


class Adam(Optimizer):
    """Steps of about η each, whatever the gradient's scale (Kingma & Ba, 2015).

    g ← g + λ w
    m ← β₁ m + (1 − β₁) g               the gradient's running mean
    v ← β₂ v + (1 − β₂) g²              the running mean of its square
    w ← w − η m̂ / (√v̂ + ε)              m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ) undo the start at 0
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize
        )

    def update(
        self,
        run: Run,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        maximize: bool,
        **_: Any,
    ) -> None:
        g = self.descent(run, weight_decay, maximize)
        (beta1, beta2), t = betas, run.step
        m, v, tmp = run.state("exp_avg"), run.state("exp_avg_sq"), run.scratch[1]
        m *= beta1
        m += np.multiply(g, 1 - beta1, out=tmp)
        v *= beta2
        v += np.multiply(np.multiply(g, g, out=tmp), 1 - beta2, out=tmp)
        root = np.sqrt(v, out=tmp)
        root *= 1 / math.sqrt(1 - beta2**t)
        root += eps
        step = np.divide(m, root, out=tmp)
        run.w -= np.multiply(step, lr / (1 - beta1**t), out=tmp)
