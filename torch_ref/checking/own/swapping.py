"""Someone's modules with stand-ins in the place of NumPy, for the time of one forward pass."""

import builtins
import random
import sysconfig
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch._numpy import _dtypes, _dtypes_impl, _ndarray, _normalizations

from .arrays import Array
from .lacking import of_math
from .names import SPACES, Float, Real, function_of

Globals = dict[str, Any]
LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
HOUSE = str(Path(__file__).parents[2])  # ours: the tools, not what is checked


def is_their_module(space: Globals) -> bool:
    """Whether a module with these globals is someone's own."""
    file = space.get("__file__")
    return isinstance(file, str) and not str(Path(file).resolve()).startswith((*LIBRARIES, HOUSE))


def modules_of(*code: Any) -> list[Globals]:
    """The globals of someone's modules that these functions, classes and objects can reach."""
    spaces: dict[int, Globals] = {}
    queue = list(code)
    seen: set[int] = set()
    while queue:
        value = queue.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, types.MethodType):
            queue += [value.__func__, type(value.__self__)]
        elif isinstance(value, types.FunctionType):
            queue.append(value.__globals__)
            queue += [c.cell_contents for c in value.__closure__ or () if filled(c)]
        elif isinstance(value, type):
            queue += [base for base in value.__mro__[1:] if base is not object]
            queue += [getattr(v, "__func__", v) for v in vars(value).values()]
            queue += [v.fget for v in vars(value).values() if isinstance(v, property)]
        elif isinstance(value, types.ModuleType):
            queue.append(vars(value))
        elif isinstance(value, dict) and "__builtins__" in value:
            if is_their_module(value):
                spaces[id(value)] = value
                queue += [v for v in value.values() if not isinstance(v, dict | list)]
        elif hasattr(type(value), "__mro__") and type(value).__module__ not in (
            "builtins",
            "numpy",
        ):
            queue.append(type(value))
    return list(spaces.values())


def filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def names_used(space: Globals) -> set[str]:
    """The names that the functions of a module use."""
    names: set[str] = set()
    queue: list[Any] = []
    for value in list(space.values()):
        if isinstance(value, types.FunctionType):
            queue.append(value.__code__)
        elif isinstance(value, type) and value.__module__ == space.get("__name__"):
            parts = [getattr(v, "__func__", v) for v in vars(value).values()]
            parts += [v.fget for v in vars(value).values() if isinstance(v, property)]
            queue += [v.__code__ for v in parts if isinstance(v, types.FunctionType)]
    while queue:
        code = queue.pop()
        names |= set(code.co_names)
        queue += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return names


def stand_in_for(value: Any) -> Any:
    """What stands in for a global that is NumPy's; None if it is not."""
    if isinstance(value, types.ModuleType):
        return SPACES.get(value.__name__)
    module = getattr(value, "__module__", None) or ""
    if isinstance(value, np.ufunc) or (
        callable(value) and module.partition(".")[0] in ("numpy", "scipy")
    ):
        return function_of(value)
    return of_math(value)


@contextmanager
def copied_modules(spaces: list[Globals], copy: Callable[[Any], Any]) -> Iterator[None]:
    """Within this block what these modules hold is a copy; afterwards it is as it was."""
    saved = [dict(space) for space in spaces]
    try:
        for space in spaces:
            used = names_used(space)
            for name, value in list(space.items()):
                code = isinstance(value, type | types.FunctionType | types.ModuleType)
                if name in used and not name.startswith("__") and not code:
                    space[name] = copy(value)
        yield
    finally:
        for space, before in zip(spaces, saved, strict=True):
            space.clear()
            space.update(before)


@contextmanager
def stand_ins(spaces: list[Globals]) -> Iterator[None]:
    """Within this block NumPy's names in these modules are stand-ins."""
    saved = [dict(space) for space in spaces]
    ours = {id(space) for space in spaces}
    original = builtins.__import__

    def imported(name: str, space: Any = None, *rest: Any, **named: Any) -> Any:
        module = original(name, space, *rest, **named)
        known = SPACES.get(name) or SPACES.get(getattr(module, "__name__", ""))
        return known if known is not None and id(space) in ours else module

    try:
        for space in spaces:
            for name, value in list(space.items()):
                known = None if name.startswith("__") else stand_in_for(value)
                if known is not None:
                    space[name] = known
            space.setdefault("float", Float)
        setattr(builtins, "__import__", imported)  # noqa: B010
        with arrays_of_ours():
            yield
    finally:
        setattr(builtins, "__import__", original)  # noqa: B010
        for space, before in zip(spaces, saved, strict=True):
            space.clear()
            space.update(before)


@contextmanager
def arrays_of_ours() -> Iterator[None]:
    """Within this block `torch._numpy` makes arrays of our class, float64 where NumPy does."""
    plain_dtype, default = _dtypes.dtype, torch.get_default_dtype()

    def copy_to(out: Any, result: Any, *_: Any) -> Any:
        return result if out is None else out.assign(result)

    def dtype(kind: Any) -> Any:
        if isinstance(kind, np.dtype) or (isinstance(kind, type) and issubclass(kind, np.generic)):
            kind = np.dtype(kind).name
        return plain_dtype(kind)

    defaults = _dtypes_impl.DefaultDTypes(torch.float64, torch.complex128, torch.int64)
    changes: list[tuple[Any, str, Any]] = [
        (_ndarray, "ndarray", Array),
        (_normalizations, "maybe_copy_to", copy_to),
        (_dtypes, "dtype", dtype),
        (_dtypes_impl, "_default_dtypes", defaults),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        torch.set_default_dtype(torch.float64)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
        torch.set_default_dtype(default)


@contextmanager
def same_draws() -> Iterator[None]:
    """Within this block NumPy and Python draw random numbers from a fixed start."""
    before = np.random.get_state(), random.getstate()
    np.random.seed(0)
    random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before[0])
        random.setstate(before[1])


def generator_copy(generator: Any) -> Any:
    """A random generator that draws what this one would."""
    if isinstance(generator, np.random.Generator):
        inside = type(generator.bit_generator)()
        inside.state = generator.bit_generator.state
        return np.random.Generator(inside)
    copied = np.random.RandomState()
    copied.set_state(generator.get_state())
    return copied


def standing_generator(generator: Any) -> Any:
    return Real(generator_copy(generator))
