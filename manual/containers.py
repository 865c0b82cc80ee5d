"""Modules made of modules."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from .module import Module


class Container(Module):
    """Modules by name. Each is an attribute too, and each attribute that is a module is one."""

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Module] = {}

    def __getattr__(self, name: str) -> Any:  # where there is no other attribute of that name
        if name in vars(self).get("_modules", {}):
            return self._modules[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, Module):
            if name in vars(self).get("_modules", {}):
                raise TypeError(
                    f"{type(self).__name__}: {name} is a Module and cannot become a "
                    f"{type(value).__name__}"
                )
            super().__setattr__(name, value)
        elif "_modules" in vars(self):
            self._modules[name] = value
        else:
            raise AttributeError(
                f"{type(self).__name__}: call super().__init__() before {name} is assigned"
            )

    def __delattr__(self, name: str) -> None:
        if name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def _inside_it(self) -> Iterable[tuple[str, Any]]:
        return self._modules.items()

    def __len__(self) -> int:
        return len(self._modules)

    def one_line(self) -> str:
        inside = ", ".join(module.one_line() for module in self._modules.values())
        return f"{type(self).__name__}({inside})"


class Ordered(Container):
    """Modules one after the other, by number, or by the names that they came with.

    Where some are put between others or taken away, all are named by number from then on.
    """

    __getitem__: Any  # a module, or for a slice another of this class with the same modules

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._modules.values())

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(list(self._modules)[index], module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        del modules[index]
        self._number(modules)

    def _number(self, modules: Iterable[Module]) -> None:
        self._modules = {str(i): module for i, module in enumerate(modules)}

    def append(self, module: Module) -> Self:
        """One more at the end."""
        return self.extend((module,))

    def extend(self, modules: Iterable[Module]) -> Self:
        """More at the end, under their numbers.

        Raises:
            TypeError: one is no module; none is added then.
            KeyError: another has such a number for its name.
        """
        more = {str(i): module for i, module in enumerate(modules, len(self))}
        for name, module in more.items():
            if name in self._modules:
                raise KeyError(f"{type(self).__name__} has a module named {name} already")
            self.check_module(name, module)
        self._modules |= more
        return self

    def insert(self, index: int, module: Module) -> Self:
        """One more, before the one of this number."""
        modules = list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(f"{type(self).__name__}: index {index} of {len(modules)} modules")
        self.append(module)
        modules.insert(index, module)
        self._number(modules)
        return self

    def pop(self, key: int | slice) -> Any:
        """Take away a module, or those of a slice, and return it."""
        taken = self[key]
        del self[key]
        return taken

    def __add__(self, other: Iterable[Module]) -> Self:
        """Another of this class: its modules, then the others, all by number."""
        return self[:0].extend(self).extend(other)

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)


class Sequential(Ordered):
    """One module after the other, y being what comes out of the last.

    Forward     yₖ = fₖ(yₖ₋₁), with y₀ = x
    Backward    ∂L/∂yₖ₋₁ = ∂L/∂yₖ · f′ₖ(yₖ₋₁)       chain rule, last module first, down to ∂L/∂x

    Args:
        args: modules, or one OrderedDict of them, by name.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def __getitem__(self, index: int | slice) -> Any:
        """A module, or for a slice another of this class with the same modules, by their names."""
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return list(self)[index]

    def forward(self, input: Any) -> Any:
        x = input
        for module in self._modules.values():
            x = module(x)
        return x

    def backward(self, g: Any) -> Any:
        for module in reversed(self._modules.values()):
            g = module.backward(g)
        return g

    def without_input_gradient(self) -> Self:
        first = [module for one in self[:1] for module in one.modules()]
        later = {id(module) for one in self[1:] for module in one.modules()}
        if first and not any(id(module) in later for module in first):
            first[0].without_input_gradient()
        return super().without_input_gradient()


class ModuleList(Ordered):
    """Modules by number, to be run in whatever way; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __getitem__(self, index: int | slice) -> Any:
        """A module, or for a slice another of this class with the same modules."""
        chosen = list(self)[index]
        return type(self)(chosen) if isinstance(chosen, list) else chosen


class ModuleDict(Container):
    """Modules by name, to be run in whatever way; it has no forward of its own."""

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, or put them in others' places."""
        for name, module in dict(modules).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def pop(self, key: str) -> Any:
        """Take away a module and return it."""
        return self._modules.pop(key)

    def clear(self) -> None:
        """Take away all."""
        self._modules.clear()

    def keys(self) -> Iterable[str]:
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        return self._modules.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules
