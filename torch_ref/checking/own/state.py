"""What someone's code holds: its arrays by path, and copies of it with others in their place."""

import collections
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Path = tuple[Any, ...]
DEPTH = 8
MOST = 20_000  # places looked at; a scalar engine's graph has more than anybody's layer
CONVERTED = (
    *(np.ndarray, np.generic, torch.Tensor),
    *(np.random.Generator, np.random.RandomState),
)
CONTAINERS = (dict, list, tuple, set, collections.deque)


@dataclass(frozen=True)
class Place:
    """Where an array or a floating-point number stands: `holder.key` or `holder[key]`."""

    path: Path
    holder: Any
    key: Any
    value: Any


def is_floating(value: Any) -> bool:
    """Whether a number, array or tensor is of floating-point numbers."""
    if torch.is_tensor(value):
        return bool(value.is_floating_point())
    return isinstance(value, float) or (
        isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"
    )


def is_theirs(value: Any) -> bool:
    """Whether it is an object of a class that somebody wrote, with attributes."""
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    known = module in ("builtins", "numpy", "torch", "collections", "functools", "types", "typing")
    if isinstance(value, dict | list | tuple | set | type | types.ModuleType):
        return False
    return not known and (hasattr(value, "__dict__") or hasattr(kind, "__slots__"))


def attributes(value: Any) -> dict[str, Any]:
    """An object's attributes, those in slots too."""
    held = dict(vars(value)) if hasattr(value, "__dict__") else {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name) and name not in ("__dict__", "__weakref__"):
                held[name] = getattr(value, name)
    return held


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple | collections.deque):
        yield from enumerate(value)
    elif is_theirs(value) or torch.is_tensor(value):  # somebody's tensor may carry its gradient
        yield from attributes(value).items()


def survey(root: Any) -> list[Place]:
    """Every floating-point array and number that can be reached, the nearest path first."""
    places: list[Place] = []
    seen: set[int] = {id(root)}
    queue: collections.deque[tuple[Path, Any]] = collections.deque([((), root)])
    steps = 0
    while queue and steps < MOST:
        path, holder = queue.popleft()
        for key, value in children(holder):
            steps += 1
            if isinstance(value, np.ndarray | np.floating | float | torch.Tensor):
                if is_floating(value) and (isinstance(value, float) or id(value) not in seen):
                    seen.add(id(value))
                    places.append(Place((*path, key), holder, key, value))
                    if torch.is_tensor(value) and vars(value) and len(path) < DEPTH:
                        queue.append(((*path, key), value))
            elif id(value) not in seen and len(path) < DEPTH:
                seen.add(id(value))
                if isinstance(value, CONTAINERS) or is_theirs(value):
                    queue.append(((*path, key), value))
    return places


def at(root: Any, path: Path) -> Any:
    """What stands at a path."""
    for key in path:
        named = is_theirs(root) or (torch.is_tensor(root) and isinstance(key, str))
        root = getattr(root, key) if named else root[key]
    return root


def put(root: Any, path: Path, value: Any) -> None:
    """Put a value at a path, into the array that is there if it fits."""
    holder = at(root, path[:-1])
    there = at(root, path)
    if isinstance(there, np.ndarray) and (there.shape, there.dtype) == (value.shape, value.dtype):
        there[...] = value  # it may be a view into an array of all parameters
        return
    if isinstance(there, float):
        value = float(value)
    if is_theirs(holder):
        setattr(holder, path[-1], value)
    else:
        holder[path[-1]] = value


class Copy:
    """Copies what someone's code holds; the classes stay, so that `isinstance` holds.

    Args:
        convert: from an array, a number of NumPy's or a random generator to what is put in its
            place; anything else that is no container and no object of theirs is shared.
        floats: what is put in the place of a Python number, by the identity of its holder and key.
    """

    def __init__(
        self, convert: Callable[[Any], Any], floats: dict[tuple[int, Any], Any] | None = None
    ) -> None:
        self.convert, self.floats = convert, floats or {}
        self.memo: dict[int, Any] = {}
        self.alive: list[Any] = []

    def __call__(self, value: Any) -> Any:
        simple = isinstance(value, str | bytes | int | float | complex | type(None) | type)
        if simple and not isinstance(value, np.generic):
            return value
        if id(value) in self.memo:
            return self.memo[id(value)]
        self.alive.append(value)
        copied = self._copy(value)
        self.memo[id(value)] = copied
        return copied

    def _part(self, holder: Any, key: Any, value: Any) -> Any:
        return self.floats.get((id(holder), key), None) or self(value)

    def _copy(self, value: Any) -> Any:
        if isinstance(value, CONVERTED):
            return self.convert(value)
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self(value.__self__))
        if isinstance(value, dict | list | collections.deque):
            return self._container(value)
        if isinstance(value, tuple):
            parts = [self._part(value, i, part) for i, part in enumerate(value)]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if isinstance(value, set):
            return set(value) if all(self(v) is v for v in value) else {self(v) for v in value}
        if is_theirs(value):
            copied = object.__new__(type(value))
            self.memo[id(value)] = copied
            for name, part in attributes(value).items():
                object.__setattr__(copied, name, self._part(value, name, part))
            return copied
        return value

    def _container(self, value: Any) -> Any:
        copied = value.copy()
        copied.clear()
        self.memo[id(value)] = copied
        if isinstance(value, dict):
            for key, part in value.items():
                copied[self(key)] = self._part(value, key, part)
        else:
            copied.extend(self._part(value, i, part) for i, part in enumerate(value))
        return copied
