"""Hooks: functions that look at one module's forward or backward, before it or after it.

They stand around the method of the one module that they are registered with, and only while there
are any: all others run as if there were no hooks. A hook that returns None only looks. What another
one returns takes the place of what it was called with; but of the forward pass only under
`no_grad`, for by hand nobody knows the derivative of what a hook did.
"""

from collections.abc import Callable
from typing import Any

from .arrays import as_tuple
from .passes import is_saving

Hook = Callable[..., Any]


class Hooked:
    """A module's `forward` or `backward` with hooks around it; it stands in the method's place.

    Attributes:
        before, after: the hooks, and whether each takes the arguments by name too.
    """

    def __init__(self, module: Any, method: str) -> None:
        self.module, self.method = module, method
        self.before: list[tuple[Hook, bool]] = []
        self.after: list[tuple[Hook, bool]] = []

    def __call__(self, *given: Any, **named: Any) -> Any:
        for hook, with_kwargs in [*self.before]:
            result = hook(self.module, given, *[named] * with_kwargs)
            if result is not None:
                self.check_replaced("inputs")
                given, named = result if with_kwargs else (as_tuple(result), named)
        returned = getattr(type(self.module), self.method)(self.module, *given, **named)
        for hook, with_kwargs in [*self.after]:
            if self.method == "backward":
                result = hook(self.module, as_tuple(returned), given)
                if result is not None:
                    returned = like(returned, result)
            else:
                result = hook(self.module, given, *[named] * with_kwargs, returned)
                if result is not None:
                    self.check_replaced("output")
                    returned = result
        return returned

    def check_replaced(self, what: str) -> None:
        """Raise RuntimeError where a pass that is to be run backward had something replaced."""
        if self.method == "forward" and is_saving():
            raise RuntimeError(
                f"{self.module.one_line()}: a hook returned another {what}, whose derivative is "
                "not known: return None, or run forward under no_grad()"
            )


class RemovableHandle:
    """What registering a hook returns: `remove()`, or the end of a `with` block, takes it off."""

    def __init__(self, hooked: Hooked, hooks: list[tuple[Hook, bool]], entry: Any) -> None:
        self._hooked, self._hooks, self._entry = hooked, hooks, entry

    def remove(self) -> None:
        """Take the hook off; a second time nothing happens."""
        self._hooks[:] = [entry for entry in self._hooks if entry is not self._entry]
        methods = vars(self._hooked.module)
        idle = not (self._hooked.before or self._hooked.after)
        if idle and methods.get(self._hooked.method) is self._hooked:
            del methods[self._hooked.method]

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def register(
    module: Any, method: str, before: bool, hook: Hook, prepend: bool, with_kwargs: bool = False
) -> RemovableHandle:
    """Put a hook before or after this method of the module."""
    hooked = vars(module).setdefault(method, Hooked(module, method))
    hooks = hooked.before if before else hooked.after
    entry = (hook, with_kwargs)
    hooks.insert(0 if prepend else len(hooks), entry)
    return RemovableHandle(hooked, hooks, entry)


def like(returned: Any, replaced: Any) -> Any:
    """What replaces gradients, as one or as a tuple, as they were returned.

    Raises:
        ValueError: it is another number of them.
    """
    before, after = as_tuple(returned), as_tuple(replaced)
    if len(after) != len(before):
        raise ValueError(f"a hook returned {len(after)} gradients, expected {len(before)}")
    return after if isinstance(returned, tuple) else after[0]
