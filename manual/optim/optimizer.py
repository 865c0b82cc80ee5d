"""What every optimizer is made of: flat arrays, parameter groups, state.

An optimizer gathers the parameters of a group into one flat array, and their gradients and its own
moments into others, so that a step is a handful of array operations however many layers there are.
A parameter's `data` and `grad` become views into those arrays: nothing is copied in a step. Arrays
taken from them before that stay behind.

In the formulas w is a parameter, g its gradient, t the number of steps taken, this one included.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array
from ..parameter import Parameter
from ..passes import enable_grad
from ..tree import constructor_call

Params = Iterable[Parameter] | Iterable[tuple[str, Parameter]] | Iterable[dict[str, Any]]
Progress = tuple[dict[str, float], frozenset[str]]  # a parameter's `scalars` and `begun`


class Stretch:
    """Neighbours in the flat arrays that have a gradient and are equally far on: updated as one.

    `w` and `g` are their values and gradients, `scratch` two arrays beside them for intermediate
    results, `scalars` the numbers that each of them carries, "step" among them, and `begun` the
    names of the optimizer's arrays that hold something for them already.
    """

    scalars: dict[str, float]
    begun: frozenset[str]

    def __init__(self, flat: "Flat", first: int, last: int) -> None:
        self.flat = flat
        self.first, self.last = first, last
        self.span = slice(flat.offsets[first], flat.offsets[last])
        self.w = flat.data[self.span]
        self.g = flat.grad[self.span]
        self.scratch = flat.scratch[:, self.span]
        self._state: dict[str, Array] = {}

    @property
    def step(self) -> int:
        """t: the steps taken, this one included."""
        return int(self.scalars["step"])

    def state(self, name: str, initial: float | Array = 0.0) -> Array:
        """The optimizer's own array of this name beside `w`; it starts from `initial`."""
        if name not in self._state:
            self._state[name] = self.flat.array(name)[self.span]
        if name not in self.begun:
            self._state[name][...] = initial
            self.begun |= {name}
        return self._state[name]

    def matrices(self, *flat: Array) -> Iterator[tuple[Array, ...]]:
        """Arrays beside `w`, cut into views of each parameter's shape, parameter by parameter."""
        start = self.span.start
        for i in range(self.first, self.last):
            part = slice(self.flat.offsets[i] - start, self.flat.offsets[i + 1] - start)
            yield tuple(a[part].reshape(self.flat.parameters[i].shape) for a in flat)


class Flat:
    """The parameters of one group, in flat arrays."""

    def __init__(self, parameters: list[Parameter]) -> None:
        self.parameters = parameters
        self.offsets = [0, *np.cumsum([p.data.size for p in parameters]).tolist()]
        self.forget()
        self.adopt()

    def forget(self) -> None:
        """Be as before the first step."""
        self.progress: list[Progress] = [({}, frozenset()) for _ in self.parameters]
        self.state: dict[str, Array] = {}
        self.forget_stretches()

    def adopt(self) -> None:
        """Gather every parameter's values and gradient into this group's arrays."""
        size = self.offsets[-1]
        dtype = self.parameters[0].data.dtype
        self.data, self.grad = np.empty(size, dtype), np.zeros(size, dtype)
        self.scratch = np.empty((2, size), dtype)
        self.state = {name: array.astype(dtype) for name, array in self.state.items()}
        for i, parameter in enumerate(self.parameters):
            if parameter.data.dtype != dtype:
                raise ValueError(f"a group mixes the dtypes {dtype} and {parameter.data.dtype}")
            parameter.move_to(self.split(self.data, i), self.split(self.grad, i))
        self.forget_stretches()

    def forget_stretches(self) -> None:
        """Whoever is how far on has changed."""
        self._reached: list[bool] | None = None
        self._stretches: list[Stretch] = []

    def array(self, name: str) -> Array:
        """The optimizer's own array of this name, beside `data`."""
        return self.state.setdefault(name, np.zeros_like(self.data))

    def split(self, array: Array, i: int) -> Array:
        """The part of a flat array that belongs to parameter i, in its shape."""
        start, stop = self.offsets[i], self.offsets[i + 1]
        return array[start:stop].reshape(self.parameters[i].shape)

    def state_of(self, i: int) -> dict[str, Any]:
        """The optimizer's state of parameter i: numbers, and views in its shape."""
        scalars, begun = self.progress[i]
        return {**scalars, **{name: self.split(self.state[name], i) for name in sorted(begun)}}

    def set_state(self, i: int, state: Mapping[str, Any], scalars: Iterable[str]) -> None:
        """Take over a saved state of parameter i; `scalars` names what is a number in it."""
        numbers = {name: float(state[name]) for name in scalars if name in state}
        if "step" in numbers:
            numbers["step"] = int(numbers["step"])  # counted on; a power of it may differ by a bit
        begun = state.keys() - numbers.keys()
        for name in begun:
            self.split(self.array(name), i)[...] = state[name]
        self.progress[i] = numbers, frozenset(begun)
        self.forget_stretches()

    def stretches(self) -> Iterator[Stretch]:
        """The longest stretches that can be updated as one, of the parameters with a gradient.

        They stay the same as long as the same parameters have one: all of a stretch go on alike.
        """
        for parameter in self.parameters:
            if parameter.data.base is not self.data:  # cast, copied, or another optimizer's since
                self.adopt()
                break
        reached = [parameter.grad is not None for parameter in self.parameters]
        if reached != self._reached:
            self._reached, self._stretches = reached, list(self.cut(reached))
        for stretch in self._stretches:
            first, last = stretch.first, stretch.last
            scalars, stretch.begun = self.progress[first]
            stretch.scalars = {**scalars}
            yield stretch
            self.progress[first:last] = [(stretch.scalars, stretch.begun)] * (last - first)

    def cut(self, reached: list[bool]) -> Iterator[Stretch]:
        """The parameters that a gradient has reached, cut where one is further on than the next."""

        def how_far(i: int) -> Progress | None:
            return self.progress[i] if reached[i] else None

        for progress, neighbours in groupby(range(len(self.parameters)), key=how_far):
            if progress is not None:
                members = list(neighbours)
                yield Stretch(self, members[0], members[-1] + 1)


class Optimizer:
    """The base of the optimizers. A subclass says in `update` what happens to one flat stretch.

    Args:
        params: parameters, or pairs of a name and a parameter, or groups of either: dicts with
            `params`, settings of their own, and whatever else they are to carry.
        unsupported: the arguments that are none of the subclass's own.
        defaults: the settings of a group that has none of its own.
    Raises:
        ValueError: no parameters, one twice, mixed dtypes, names for some only, or a setting out of
            its range.
        TypeError: something that is no parameter, or an argument that nobody knows.
        NotImplementedError: an argument that only PyTorch has.
    """

    COUNTS: ClassVar[bool] = True  # the steps of each parameter, as `step` in its state
    ONLY_PYTORCHS = frozenset(("foreach", "fused", "capturable", "differentiable"))
    SCALARS = ("step", "mu_product", "eta", "mu")  # kept once for each parameter
    AT_LEAST_ZERO = (
        "lr",
        "eps",
        "weight_decay",
        "momentum",
        "lr_decay",
        "initial_accumulator_value",
        "momentum_decay",
    )

    def __init__(self, params: Params, unsupported: Mapping[str, Any], **defaults: Any) -> None:
        for name, value in unsupported.items():
            if name not in self.ONLY_PYTORCHS:
                raise TypeError(f"{type(self).__name__}: there is no argument {name!r}")
            if value:
                raise NotImplementedError(f"{type(self).__name__}: {name} is not supported")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._flats: list[Flat] = []
        if not isinstance(params, Iterable):
            raise TypeError(
                f"{type(self).__name__}: params is a {type(params).__name__}, expected parameters, "
                "as in network.parameters()"
            )
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(f"{type(self).__name__}: there are no parameters to optimize")
        for group in entries if isinstance(entries[0], dict) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters, with settings of their own where the defaults are not wanted."""
        name = type(self).__name__
        for option in self.ONLY_PYTORCHS & param_group.keys():
            if param_group[option]:
                raise NotImplementedError(f"{name}: {option} is not supported")
        members = param_group["params"]
        parameters: list[Any] = [members] if isinstance(members, Parameter) else list(members)
        settings = {**self.defaults, **param_group}
        if any(isinstance(member, tuple) for member in parameters):
            if not all(isinstance(member, tuple) for member in parameters):
                raise ValueError(f"{name}: some parameters of a group have no name")
            settings["param_names"] = [n for n, _ in parameters]
            parameters = [parameter for _, parameter in parameters]
        settings["params"] = parameters
        if any(("param_names" in settings) != ("param_names" in g) for g in self.param_groups):
            raise ValueError(f"{name}: only some groups have names for their parameters")
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
        for name in self.AT_LEAST_ZERO:
            if name in group:
                self.require(name, group[name], 0 <= group[name] < math.inf, "at least 0")
        for beta in group.get("betas", ()):
            self.require("betas", group["betas"], 0 <= beta < 1, "each in [0, 1)")

    def require(self, name: str, value: Any, holds: bool, wanted: str) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} is {value}, expected {wanted}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set those that there are to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.zero_grad(set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; the others stay as they are.

        Args:
            closure: is called first, to compute the gradients anew; what it returns is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group, flat in zip(self.param_groups, self._flats, strict=True):
            settings = SimpleNamespace(**group)
            for stretch in flat.stretches():
                if self.COUNTS:
                    stretch.scalars["step"] = stretch.scalars.get("step", 0) + 1
                self.update(stretch, settings)
        return loss

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        """Move `stretch.w` along, with the group's settings s."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def descent(self, stretch: Stretch, weight_decay: float, maximize: bool) -> Array:
        """The gradient to go against: g + λw, or −g + λw to maximize. May use both scratches."""
        g = stretch.g
        if maximize:
            g = np.negative(g, out=stretch.scratch[0])
        if weight_decay:
            decay = np.multiply(stretch.w, weight_decay, out=stretch.scratch[1])
            g = np.add(g, decay, out=stretch.scratch[0])
        return g

    def decay(
        self, stretch: Stretch, lr: float, weight_decay: float, maximize: bool, decoupled: bool
    ) -> Array:
        """The gradient to go against; decoupled, w ← w − η λ w at once, and it is without λ."""
        if decoupled:
            stretch.w *= 1 - lr * weight_decay
            weight_decay = 0
        return self.descent(stretch, weight_decay, maximize)

    @property
    def state(self) -> defaultdict[Parameter, dict[str, Any]]:
        """The state of each parameter that has one, by name: views in its shape, and numbers.

        It is put together anew each time: an array in it may be written to, a number not.
        """
        everything: defaultdict[Parameter, dict[str, Any]] = defaultdict(dict)
        for flat in self._flats:
            for i, parameter in enumerate(flat.parameters):
                if entries := flat.state_of(i):
                    everything[parameter] = entries
        return everything

    def state_dict(self) -> dict[str, Any]:
        """The state in PyTorch's layout: of each parameter, by number, and the groups' settings."""
        state, groups, first = {}, [], 0
        for group, flat in zip(self.param_groups, self._flats, strict=True):
            for i in range(len(flat.parameters)):
                if entries := flat.state_of(i):
                    state[first + i] = {
                        name: value.copy() if name in flat.state else value
                        for name, value in entries.items()
                    }
            numbers = list(range(first, first + len(flat.parameters)))
            groups.append({**group, "params": numbers})
            first += len(numbers)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state. Nothing is changed unless everything fits.

        Raises:
            ValueError: the groups, their settings, the parameters' numbers or an array's shape are
                not this optimizer's.
        """
        name = type(self).__name__
        groups, state = state_dict["param_groups"], state_dict["state"]
        sizes = [len(group["params"]) for group in groups]
        expected = [len(flat.parameters) for flat in self._flats]
        if sizes != expected:
            raise ValueError(f"{name}: state for groups of {sizes} parameters, expected {expected}")
        for group, saved in zip(self.param_groups, groups, strict=True):
            if missing := self.defaults.keys() - saved.keys():
                raise ValueError(f"{name}: a group's state has no {sorted(missing)[0]}")
            # A schedule may have taken lr a rounding below 0: it is not this that would not fit.
            self.check({**group, **saved, "params": group["params"], "lr": group["lr"]})
        places = [(flat, i) for flat in self._flats for i in range(len(flat.parameters))]
        for number, entries in state.items():
            if number not in range(len(places)):
                raise ValueError(
                    f"{name}: state of parameter {number}, expected 0 to {len(places) - 1}"
                )
            flat, i = places[number]
            for key, value in entries.items():
                wanted = () if key in self.SCALARS else flat.parameters[i].shape
                if np.shape(value) != wanted:
                    raise ValueError(
                        f"{name}: {key} of parameter {number} has shape {np.shape(value)}, "
                        f"expected {wanted}"
                    )
        kept = self.ONLY_PYTORCHS | {"params"}
        for group, flat, saved in zip(self.param_groups, self._flats, groups, strict=True):
            group.update({key: value for key, value in saved.items() if key not in kept})
            flat.forget()
            flat.adopt()
        for number, entries in state.items():
            flat, i = places[number]
            flat.set_state(i, entries, self.SCALARS)

    def __repr__(self) -> str:
        return constructor_call(type(self), {"params": ..., **self.defaults})


def blend(mean: Array, values: Array, beta: float, scratch: Array) -> None:
    """mean ← β mean + (1 − β) values, in place."""
    mean *= beta
    mean += np.multiply(values, 1 - beta, out=scratch)
