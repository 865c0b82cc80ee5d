"""Forward passes: what waits to be run backward, and who watches.

A forward pass is one call of a module from outside, with all the calls inside it. It waits until it
is run backward. While one waits, another cannot be told from it: where both have gone through a
module, backward refuses. What is only looked at belongs under `no_grad`; several passes that will
all be run backward, last first, belong under `keep_passes`.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from typing import Any

# Is called with a module, its inputs by position and by name, and its outputs.
Observer = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], Any]


class Pass:
    """One forward pass: a call of a module from outside, and all that was saved within it.

    Attributes:
        module, shapes: what was called and its inputs' shapes, for messages.
        kept: it was run under `keep_passes`.
        modules: those that saved something, as often as they did.
        observers: see `observe_calls`.
    """

    __slots__ = ("kept", "module", "modules", "observers", "shapes")

    def __init__(self, module: Any, inputs: tuple[Any, ...]) -> None:
        self.module = type(module).__name__
        self.shapes = [getattr(x, "shape", "…") for x in inputs]
        self.kept = _keeping.get()
        self.modules: list[Any] = []
        self.observers = _observers.get()

    def __str__(self) -> str:
        return f"{self.module} on {', '.join(map(str, self.shapes))}"

    def forget(self) -> None:
        """Drop all that was saved within it: it can no longer be run backward."""
        for module in self.modules:
            module._saved = [saved for saved in module._saved if saved.within is not self]
            module._overtaken = []


class Saved:
    """What one `forward` handed to its `backward`, and the shapes and dtypes of its outputs."""

    __slots__ = ("outputs", "values", "within")

    def __init__(self, values: tuple[Any, ...], within: Pass) -> None:
        self.values, self.within = values, within
        self.outputs: list[Any] | None = None


_keeping: ContextVar[bool] = ContextVar("keeping", default=False)
_observers: ContextVar[tuple[Observer, ...]] = ContextVar("observers", default=())
_pass: ContextVar[Pass | None] = ContextVar("pass", default=None)
LOOKING = Pass(None, ())  # stands for every pass under `no_grad`, of which nothing is kept


@contextmanager
def _within(variable: ContextVar[Any], value: Any) -> Iterator[Any]:
    """The variable has this value within the block."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


def is_saving() -> bool:
    """Whether a forward pass that runs now keeps what its backward needs."""
    return _pass.get() is not LOOKING


class Saving(ContextDecorator):
    """Within the block, or within each call of a function, passes are saved, or are not."""

    def __init__(self, saves: bool) -> None:
        self.saves = saves
        self._tokens: list[Token[Pass | None]] = []

    def __enter__(self) -> None:
        within = _pass.get()
        if self.saves:  # what was only looked at begins a pass of its own
            within = None if within is LOOKING else within
        self._tokens.append(_pass.set(within if self.saves else LOOKING))

    def __exit__(self, *error: object) -> None:
        _pass.reset(self._tokens.pop())

    def _recreate_cm(self) -> "Saving":  # a call within another enters one of its own
        return Saving(self.saves)

    def __call__(self, function: Any) -> Any:
        """The function, all of whose calls run within.

        Raises:
            NotImplementedError: it is a generator, which would run outside.
        """
        if inspect.isgeneratorfunction(function):
            raise NotImplementedError(f"{function.__name__}: a generator is not supported")
        return super().__call__(function)


def no_grad(function: Any = None) -> Any:
    """`with no_grad():` no forward pass saves anything, so none of them can be run backward.

    A network that is only to be looked at, not trained, belongs inside. It decorates functions too,
    as `@no_grad()` or `@no_grad`.
    """
    return Saving(False) if function is None else Saving(False)(function)


def enable_grad(function: Any = None) -> Any:
    """`with enable_grad():` forward passes are saved, also inside a `no_grad`; see there."""
    return Saving(True) if function is None else Saving(True)(function)


def keep_passes() -> AbstractContextManager[Any]:
    """`with keep_passes():` every forward pass is kept until it is run backward, the last first.

    For a network that is applied to several inputs before it is run back through all of them:

        with keep_passes():
            y1, y2 = network(x1), network(x2)
            network.backward(g2)
            network.backward(g1)
    """
    return _within(_keeping, True)


def observe_calls(observer: Observer) -> AbstractContextManager[Any]:
    """Within the block, `observer` sees every call that saves something for backward.

    Args:
        observer: is called with the module, its inputs by position and by name, and its outputs;
            what it returns takes the outputs' place.
    """
    return _within(_observers, (*_observers.get(), observer))


def shapes_and_dtypes(outputs: Any) -> Any:
    """Shape and dtype of an output; of nested outputs, a list of theirs."""
    if isinstance(outputs, tuple | list):
        return [shapes_and_dtypes(output) for output in outputs]
    return getattr(outputs, "shape", ()), getattr(outputs, "dtype", None)
