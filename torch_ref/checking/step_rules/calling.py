"""Someone's step rule, called: its weights and its memory as it wants them, and read again."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from manual import Optimizer, Parameter

from ...twin import all_in, to_numpy, to_torch
from ..candidates.base import call_code
from ..layouts import Array, CandidateError
from .forms import EXPECTED, Form, Way
from .names import MANY, MOMENTS, ONE, Signature, options_by_name
from .problem import FLOAT

GRADIENTS = ("grads", "gradients", "grad")  # attributes


# ---- weights as someone has them


def pack(held: str, names: Sequence[str], arrays: Sequence[Array], prefix: str = "") -> Any:
    """Arrays as a rule is handed them."""
    if held == "list":
        return list(arrays)
    if held in ("dict", "course"):
        prefix = prefix if held == "course" else ""
        return {f"{prefix}{name}": array for name, array in zip(names, arrays, strict=True)}
    if held == "objects":
        return [Parameter(array) for array in arrays]
    if held == "torch":
        return [torch.nn.Parameter(to_torch(array)) for array in arrays]
    return arrays[0] if held == "array" else tuple(arrays)


def unpack(value: Any, names: Sequence[str], like: Sequence[Array]) -> list[Array] | None:
    """The arrays of that many shapes that a value holds, in any container; None if it does not."""
    if isinstance(value, Mapping):
        for prefix in ("", "d"):
            if all(f"{prefix}{name}" in value for name in names):
                return unpack([value[f"{prefix}{name}"] for name in names], names, like)
        return unpack(list(value.values()), names, like)
    if isinstance(value, np.ndarray | np.generic | torch.Tensor) and len(like) == 1:
        value = [value]
    if not isinstance(value, list | tuple) or len(value) != len(like):
        return None
    arrays = []
    for one, wanted in zip(value, like, strict=True):
        if isinstance(one, Parameter | torch.nn.Parameter):
            one = one.data
        array = to_numpy(one)
        if not isinstance(array, np.ndarray | np.generic) or np.shape(array) != wanted.shape:
            return None
        arrays.append(np.asarray(array))
    return arrays


class Part:
    """What one call moves: all tensors, a pair, or one; their weights, and the rule's memory."""

    def __init__(self, form: Form, way: Way, weights: Mapping[str, Array]) -> None:
        self.form, self.way = form, way
        self.names = list(weights)
        self.start = [w.copy() for w in weights.values()]
        self.held = pack(way.held, self.names, [w.copy() for w in self.start])
        if way.held == "layer":
            self.held = SimpleNamespace(weights=self.held[0], biases=self.held[1])
        zeros = [np.zeros_like(w) for w in self.start]
        self.gradients = pack(way.held, self.names, zeros, "d")
        self.code: Any = None
        self.memory: dict[str, Any] = {}
        for name, role in form.called.roles.items():
            if role == "moment":
                self.memory[name] = self.zeros()
            elif role == "state":
                self.memory[name] = self.first_memory()

    def zeros(self) -> Any:
        held = self.way.held if self.way.held in ("dict", "course", "array", "pairs") else "list"
        return pack(held, self.names, [np.zeros_like(w) for w in self.start], "d")

    def first_memory(self) -> Any:
        if self.way.memory == "made":
            assert self.form.begin is not None
            return call_code(f"{self.form.name}: the first state", self.form.begin, self.held)
        if self.way.memory == "options":
            by_name = options_by_name(self.form.options).values()
            merged: dict[str, Any] = {}
            for spelled in reversed(list(by_name)):
                merged |= spelled
            return merged | dict(self.form.options)
        if self.way.memory == "zeros":
            return {"t": 0, "step": 0} | {
                n: self.zeros() for names in MOMENTS.values() for n in names
            }
        return {} if self.way.memory == "empty" else None

    def arguments(self, signature: Signature, t: int) -> dict[str, Any]:
        """For the constructor or one step, by name."""
        arguments: dict[str, Any] = dict(signature.values)
        if signature.open and signature is self.form.made:
            arguments = {**self.form.explicit, **arguments}
        for i, (one, gradient) in enumerate(signature.pairs if self.way.held == "pairs" else ()):
            arguments |= {one: self.held[i], gradient: self.gradients[i]}
        for name, role in signature.roles.items():
            if name in arguments:
                continue
            if role in ("params", "layer"):
                arguments[name] = self.held
            elif role == "grads":
                arguments[name] = self.gradients
            elif role == "count" and signature is self.form.called:
                arguments[name] = t
            elif role in ("state", "moment") and signature is self.form.called:
                arguments[name] = self.memory[name]
        return arguments

    def make(self) -> Any:
        """An object of a class."""
        code = self.form.code
        return call_code(self.form.name, lambda: code(**self.arguments(self.form.made, 0)))

    def hand_in(self, gradients: Sequence[Array]) -> None:
        """Put the gradients of this step where the rule takes them from."""
        made, called, held = self.form.made, self.form.called, self.way.held
        copies = [g.copy() for g in gradients]
        if held == "layer":
            self.held.dweights, self.held.dbiases = copies
        elif held in ("objects", "torch"):
            for parameter, g in zip(self.held, copies, strict=True):
                parameter.grad = to_torch(g) if held == "torch" else g
        elif made.has("grads"):
            for old, new in zip(
                unpack(self.gradients, self.names, self.start) or (), copies, strict=True
            ):
                old[...] = new
        else:
            self.gradients = pack(held, self.names, copies, "d")
        if not called.has("grads") and not made.has("grads") and held in ("list", "dict", "array"):
            name = next((n for n in GRADIENTS if hasattr(self.code, n)), None)
            if name is None:
                raise CandidateError(f"{self.form.name} takes no gradient: {EXPECTED}")
            setattr(self.code, name, self.gradients)

    def step(self, t: int) -> None:
        form = self.form
        call = getattr(self.code, form.method) if form.method else form.code
        label = f"{form.name}.{form.method}" if form.method else form.name
        arguments = self.arguments(form.called, t)
        self.take(call_code(label, lambda: call(**arguments)))

    def take(self, returned: Any) -> None:
        """Take over what a step returned: the weights, or what to add to them; then its memory."""
        whole = unpack(returned, self.names, self.start)
        rest: Sequence[Any] = ()
        if whole is None and isinstance(returned, tuple) and returned:
            many = len(self.start) if self.way.held == "pairs" else 1
            whole = unpack(returned[:many] if many > 1 else returned[0], self.names, self.start)
            rest = returned[many:]
        if whole is None:
            if np.ndim(returned) if self.way.held == "array" else self.way.held == "pairs":
                raise CandidateError(f"{self.form.name} returned weights of other shapes")
            return
        if self.way.returned != "weights":
            sign = 1 if self.way.returned == "add" else -1
            whole = [w + sign * u for w, u in zip(self.weights, whole, strict=True)]
        if self.way.held not in ("objects", "torch", "layer"):
            self.held = pack(self.way.held, self.names, whole)
        roles = self.form.called.roles.items()
        for name, value in zip(
            [n for n, r in roles if r in ("state", "moment")], rest, strict=False
        ):
            self.memory[name] = value

    @property
    def weights(self) -> list[Array]:
        if self.way.held == "layer":
            return [self.held.weights, self.held.biases]
        for name in (*MANY, *ONE) if self.form.made.has("params") else ():
            own = unpack(getattr(self.code, name, None), self.names, self.start)
            if own is not None:
                return own
        value = unpack(self.held, self.names, self.start)
        if value is None:
            raise CandidateError(f"{self.form.name} left weights of other shapes than they had")
        return value

    def state(self, name: str, alone: bool) -> list[Array] | None:
        """What it keeps under one of the names of a moment; None where there is no such."""
        code, held = self.code, self.held
        places: list[Any] = [*self.memory.values(), self.memory]
        if isinstance(code, torch.optim.Optimizer | Optimizer):
            places.append({name: [code.state[p].get(name) for p in held]})
        elif alone and hasattr(code, "__dict__"):
            places.append(vars(code))
        if self.way.held == "layer":
            both = [getattr(held, f"{of}_{name}", None) for of in ("weight", "bias")]
            places.append({name: both})
        for place in places:
            if isinstance(place, Mapping) and name in place:
                value = unpack(place[name], self.names, self.start)
                if value is not None:
                    return value
        return None


@dataclass
class Trajectory:
    """Weights at the start and after each step; the states found, by PyTorch's names."""

    weights: dict[str, list[Array]]
    states: dict[tuple[str, str], list[Array]] = field(default_factory=dict)


def parts_of(form: Form, way: Way, weights: Mapping[str, Array]) -> list[Part]:
    sizes = {"array": 1, "layer": 2, "pairs": len(form.called.pairs)}
    size = sizes.get(way.held, len(weights))
    names = list(weights)
    if len(names) % size:
        raise CandidateError(
            f"{form.name} takes {size} arrays at once: expected 1, 2 or 4, or a list of them"
        )
    return [
        Part(form, way, {n: weights[n] for n in names[i : i + size]})
        for i in range(0, len(names), size)
    ]


def states_of(parts: Sequence[Part], keys: Sequence[str]) -> dict[tuple[str, str], Array]:
    """What the rule keeps between steps, by PyTorch's name for it and the tensor's."""
    alone = len(parts) == 1 or parts[0].way.alone
    states = {}
    course = all(p.state(name, alone) is not None for name in "vs" for p in parts)
    for key in keys:
        names = MOMENTS.get(key, (key,))
        if course and "exp_avg" in keys:  # courses have v for the mean of g, s for that of g²
            names = {"exp_avg": ("v",), "exp_avg_sq": ("s",)}.get(key, names)
        for name in names:
            found = [part.state(name, alone) for part in parts]
            if all(value is not None for value in found):
                for part, values in zip(parts, found, strict=True):
                    for tensor, value in zip(part.names, values or (), strict=True):
                        states[key, tensor] = value.copy()
                break
    return states


def run(
    form: Form,
    way: Way,
    weights: Mapping[str, Array],
    gradients: Sequence[Sequence[Array]],
    keys: Sequence[str],
) -> Trajectory:
    """Take the steps of a problem with someone's rule.

    Args:
        keys: PyTorch's names for what it keeps between steps.
    Raises:
        CandidateError: it cannot be called so, or moves nothing.
    """
    with all_in(FLOAT) if way.held == "torch" else nullcontext():
        return run_in(form, way, weights, gradients, keys)


def run_in(
    form: Form,
    way: Way,
    weights: Mapping[str, Array],
    gradients: Sequence[Sequence[Array]],
    keys: Sequence[str],
) -> Trajectory:
    """The steps of `run`."""
    parts = parts_of(form, way, weights)
    if form.method:
        shared = None if way.alone else parts[0].make()
        for part in parts:
            part.code = part.make() if shared is None else shared
    path = Trajectory({name: [w.copy()] for name, w in weights.items()})
    names = list(weights)
    with np.errstate(all="ignore"):
        for k, of_step in enumerate(gradients):
            by_name = dict(zip(names, of_step, strict=True))
            around(parts, "pre_update_params")
            for part in parts:
                part.hand_in([by_name[n] for n in part.names])
                part.step(k + way.count)
            around(parts, "post_update_params")
            for part in parts:
                for name, value in zip(part.names, part.weights, strict=True):
                    path.weights[name].append(np.array(value))
            for place, state in states_of(parts, keys).items():
                path.states.setdefault(place, []).append(state)
    path.states = {place: v for place, v in path.states.items() if len(v) == len(gradients)}
    if all((w[0] == w[-1]).all() for w in path.weights.values()):
        raise CandidateError(
            f"{form.name} moves no weight: return the new weights, or change them in place (w -= …)"
        )
    return path


def around(parts: Sequence[Part], method: str) -> None:
    """What some optimizers have called before and after all parameters are updated."""
    for code in {id(part.code): part.code for part in parts}.values():
        if hasattr(code, method):
            call_code(f"{type(code).__name__}.{method}", getattr(code, method))
