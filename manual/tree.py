"""What a module consists of: parameters, buffers and other modules, each under its name.

Names, their order, and what is counted once are PyTorch's. So is the state, all numbers by name.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from .arrays import FLOATS, Array, float_dtype, plain_array
from .parameter import Parameter


class Unmatched(NamedTuple):
    """The names in which a state and a module differ; see `load_state_dict`."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Tree:
    """A module with all that is in it.

    Attributes that are parameters or modules are found by themselves, in the order in which they
    were set. Each argument of the constructor is kept as an attribute of its own name.
    """

    training: bool

    def __init__(self) -> None:
        self.training = True
        self._buffers: dict[str, bool] = {}  # name, and whether it is part of the state

    def __setattr__(self, name: str, value: Any) -> None:
        current = self.__dict__.get(name)
        for kind, instead in ((Parameter, f"assign to {name}.data"), (Tree, "")):
            if isinstance(current, kind) and value is not None and not isinstance(value, kind):
                raise TypeError(
                    f"{type(self).__name__}: {name} is a {KINDS[kind]} and cannot become a "
                    f"{type(value).__name__}" + (f": {instead}" if instead else "")
                )
        if name in self.__dict__.get("_buffers", ()):
            if value is not None and type(value) is not np.ndarray:
                raise TypeError(
                    f"{type(self).__name__}: {name} is a buffer and cannot become a "
                    f"{type(value).__name__}, expected a NumPy array or None"
                )
        # A NumPy number has a dtype of its own, which would lift float32 arrays to float64.
        elif isinstance(value, np.generic) and value.dtype.kind in "fiub":
            value = value.item()
        elif isinstance(value, Parameter | Tree) and "_buffers" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: call super().__init__() before {name} is assigned"
            )
        super().__setattr__(name, value)

    # What is put in, under names that may also be made up

    def register_buffer(self, name: str, values: Any, persistent: bool = True) -> None:
        """Keep a copy of an array, or None, as the attribute `name`: converted along, not trained.

        Args:
            persistent: whether it belongs to the state dict.
        """
        values = None if values is None else plain_array(f"{type(self).__name__}: {name}", values)
        super().__setattr__(name, values)
        self._buffers[name] = persistent

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set the attribute `name`, None for a parameter that is left out."""
        self.check_name(name)
        setattr(self, name, param)

    def add_module(self, name: str, module: Any) -> None:
        """Set the attribute `name`.

        Raises:
            KeyError: it is empty, has a dot in it, which separates the names of a path, or is that
                of something else already.
            TypeError: `module` is none.
        """
        self.check_module(name, module)
        setattr(self, name, module)

    def register_module(self, name: str, module: Any) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def check_name(self, name: str) -> None:
        """Raise KeyError for a name that no part can have here."""
        if not name or "." in name:
            raise KeyError(f"{type(self).__name__}: {name!r}, expected a name without a dot")
        if hasattr(self, name) and not isinstance(getattr(self, name), Parameter | Tree):
            raise KeyError(f"{type(self).__name__} has an attribute {name} already")

    def check_module(self, name: str, module: Any) -> None:
        """Raise unless this can be a module inside, under this name; see `add_module`."""
        self.check_name(name)
        if not isinstance(module, Tree):
            raise TypeError(
                f"{type(self).__name__}: {name} is a {type(module).__name__}, expected a module"
            )

    # What is in it

    def _inside_it(self) -> Iterable[tuple[str, Any]]:
        """The modules directly inside this one, with every name that they have in it."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Tree))

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The modules directly inside this one, each once, under its first name."""
        return once(self._inside_it())

    def children(self) -> Iterator[Any]:
        """The modules directly inside this one, each once."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """This module and all inside it, each before its children.

        Args:
            memo: modules that are left out; those that were named are added.
            prefix: stands before each name.
            remove_duplicate: name each module once, under its first name; else under all of them.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._inside_it():
            yield from child.named_modules(memo, joined(prefix, name), remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Any]:
        """This module and all inside it, each before its children."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def _named(
        self,
        of: Callable[[Any], Iterable[tuple[str, Any]]],
        prefix: str,
        recurse: bool,
        remove_duplicate: bool,
    ) -> Iterator[tuple[str, Any]]:
        """What `of` says is in each module, with the module's path before its name."""
        within = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        every = ((joined(path, name), value) for path, part in within for name, value in of(part))
        return once(every) if remove_duplicate else every

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their names, those of the modules inside too.

        Args:
            prefix: stands before each name.
            recurse: whether those of the modules inside are wanted as well.
            remove_duplicate: name each once, under its first name; else under all of them.
        """
        return self._named(own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Each parameter once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """The arrays that were registered as buffers, as `named_parameters` has parameters."""
        return self._named(own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """Each buffer once."""
        return (values for _, values in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Any:
        """The module at a path such as `layers.0`; "" is this one.

        Raises:
            AttributeError: there is none.
        """
        return self._at(target, self.named_modules(remove_duplicate=False), "module")

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as `layers.0.weight`; see `get_submodule`."""
        return self._at(target, self.named_parameters(remove_duplicate=False), "parameter")

    def get_buffer(self, target: str) -> Array:
        """The buffer at a path such as `layers.1.running_mean`; see `get_submodule`."""
        return self._at(target, self.named_buffers(remove_duplicate=False), "buffer")

    def _at(self, target: str, named: Iterable[tuple[str, Any]], kind: str) -> Any:
        for name, value in named:
            if name == target:
                return value
        raise AttributeError(f"{type(self).__name__} has no {kind} {target!r}")

    # What is done to all of it

    def apply(self, fn: Callable[[Any], object]) -> Self:
        """Call `fn` with every module inside, and with this one last."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train every parameter, or with False hold it fixed: backward adds nothing to it."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set those that there are to zero."""
        for value in vars(self).values():
            if isinstance(value, Parameter):
                value.zero_grad(set_to_none)
        for _, child in self._inside_it():
            child.zero_grad(set_to_none)

    def to(self, dtype: DTypeLike) -> Self:
        """Convert all numbers, gradients too, to float32, float64 or longdouble.

        Raises:
            TypeError: it is no such dtype; there are no devices to go to.
        """
        dtype = float_dtype(dtype)
        for parameter in self.parameters():
            parameter.cast(dtype)
        for module in self.modules():
            for name, values in own_buffers(module):
                if values.dtype in FLOATS:
                    setattr(module, name, values.astype(dtype))
        return self

    def double(self) -> Self:
        """Convert all numbers to float64."""
        return self.to(np.float64)

    def float(self) -> Self:
        """Convert all numbers to float32."""
        return self.to(np.float32)

    # Its state

    def _state(self) -> dict[str, Array]:
        """Every parameter's and persistent buffer's own array, names and order as in PyTorch."""
        state = {}
        for path, part in self.named_modules(remove_duplicate=False):
            own = [(name, parameter.data) for name, parameter in own_parameters(part)]
            own += [(name, values) for name, values in own_buffers(part) if part._buffers[name]]
            state.update({joined(path, name): values for name, values in own})
        return state

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and buffer under its name, the same names as in PyTorch."""
        return {name: values.copy() for name, values in self._state().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Unmatched:
        """Take over every parameter's and buffer's values. Nothing changes unless everything fits.

        Args:
            state_dict: arrays, or anything that NumPy reads as one, by name; numbers of another
                dtype are converted to this module's.
            strict: with False, names that only one side has are left alone.
        Returns:
            `missing_keys`, those that the state lacks, and `unexpected_keys`, those only it has.
        Raises:
            ValueError: names are missing or unexpected, shapes differ, or what is there is no
                number; all are listed.
            NotImplementedError: `assign`.
        """
        if assign:
            raise NotImplementedError(f"{type(self).__name__}: assign is not supported")
        current = self._state()
        loaded = {name: plain_array(name, values) for name, values in state_dict.items()}
        missing = [name for name in current if name not in loaded]
        unexpected = [name for name in loaded if name not in current]
        problems = [f"missing {name}" for name in missing]
        problems += [f"unexpected {name}" for name in unexpected]
        if not strict:
            problems.clear()
        for name, wanted in current.items():
            values = loaded.setdefault(name, wanted)
            if values.shape != wanted.shape:
                problems.append(f"{name} has shape {values.shape}, expected {wanted.shape}")
            elif values.dtype.kind not in "fiub":
                problems.append(f"{name} is {values.dtype}, expected {wanted.dtype}")
        if problems:
            raise ValueError(f"{type(self).__name__}.load_state_dict: " + "; ".join(problems))
        for name, array in current.items():
            array[...] = loaded[name]
        return Unmatched(missing, unexpected)

    # How it was made

    def arguments(self) -> dict[str, Any]:
        """The arguments with which the constructor makes this module again, but for its values.

        Raises:
            AttributeError: one is not kept as an attribute.
        """
        arguments = {}
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if name in ("device", "generator", "size_average", "reduce"):
                continue
            if name == "dtype":
                own = [p.data.dtype for p in self.parameters()]
                own += [values.dtype for values in self.buffers() if values.dtype in FLOATS]
                arguments[name] = own[0] if own else np.dtype(np.float32)
                continue
            if not hasattr(self, name):
                raise AttributeError(
                    f"{type(self).__name__} cannot be made again: its argument {name} is not kept, "
                    f"as self.{name}"
                )
            value = getattr(self, name)
            if isinstance(parameter.default, bool):  # bias=True is kept as the bias itself
                value = value is not None and value is not False
            arguments[name] = value
        return arguments

    def one_line(self) -> str:
        """The call that makes it, or of a class that keeps not all its arguments its name."""
        kept = vars(self).keys() | {"device", "dtype", "generator", "size_average", "reduce"}
        asked = inspect.signature(type(self)).parameters.keys()
        if type(self).arguments is Tree.arguments and not asked <= kept:
            return f"{type(self).__name__}(…)"
        return constructor_call(type(self), self.arguments())

    def extra_repr(self) -> str:
        """What `repr` says of it beside its modules; of one that has none, its arguments."""
        return self.one_line().removeprefix(f"{type(self).__name__}(")[:-1]

    def __repr__(self) -> str:
        inside = [f"({name}): {child!r}" for name, child in self._inside_it()]
        own = type(self).extra_repr is not Tree.extra_repr or not inside
        extra = self.extra_repr().splitlines() if own else []
        if not inside and len(extra) < 2:
            return f"{type(self).__name__}({''.join(extra)})"
        lines = "\n".join([*extra, *inside]).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {lines}\n)"


KINDS: dict[type, str] = {Parameter: "Parameter", Tree: "Module"}


def joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def once(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Each value under the first of its names."""
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def own_parameters(module: Tree) -> Iterator[tuple[str, Parameter]]:
    """Those that are no other module's."""
    return ((name, value) for name, value in vars(module).items() if isinstance(value, Parameter))


def own_buffers(module: Tree) -> list[tuple[str, Array]]:
    """Those that are no other module's and not None."""
    named = [(name, getattr(module, name)) for name in module._buffers]
    return [(name, values) for name, values in named if values is not None]


def constructor_call(cls: type, arguments: Mapping[str, Any]) -> str:
    """The call that makes it: required arguments by position, others where not the default."""
    written = []
    for name, parameter in inspect.signature(cls).parameters.items():
        if name not in arguments:
            continue
        value = arguments[name]
        shown = value.one_line() if isinstance(value, Tree) else repr(value)
        if parameter.default is parameter.empty:
            written.append(shown)
        elif name == "dtype":
            if value != np.float32:
                written.append(f"dtype={value.name!r}")
        elif not np.array_equal(value, parameter.default):
            written.append(f"{name}={shown}")
    return f"{cls.__name__}({', '.join(written)})"
