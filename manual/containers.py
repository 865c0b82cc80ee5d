"""Modules made of modules."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .module import Module


class Sequential(Module):
    """One module after the other, y being what comes out of the last.

    Forward     yₖ = fₖ(yₖ₋₁), with y₀ = x
    Backward    ∂L/∂yₖ₋₁ = ∂L/∂yₖ · f′ₖ(yₖ₋₁)       chain rule, last module first, down to ∂L/∂x
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        for module in modules:
            if isinstance(module, Mapping):
                raise NotImplementedError("Sequential: a dict of modules is not supported")
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: got a {type(module).__name__}, expected modules")
        self._inside = modules

    def forward(self, input: Any) -> Any:
        x = input
        for module in self._inside:
            x = module(x)
        return x

    def backward(self, g: Any) -> Any:
        for module in reversed(self._inside):
            g = module.backward(g)
        return g

    def without_input_gradient(self) -> Module:
        first = [module for one in self._inside[:1] for module in one.modules()]
        later = {id(module) for one in self._inside[1:] for module in one.modules()}
        if first and not any(id(module) in later for module in first):
            first[0].without_input_gradient()
        return super().without_input_gradient()

    def children(self) -> Iterator[tuple[str, Module]]:
        return ((str(i), module) for i, module in enumerate(self._inside))

    def __iter__(self) -> Iterator[Module]:
        return iter(self._inside)

    def __len__(self) -> int:
        return len(self._inside)

    def __getitem__(self, index: int | slice) -> Any:
        """A module, or for a slice a Sequential of the same modules."""
        chosen = self._inside[index]
        return Sequential(*chosen) if isinstance(chosen, tuple) else chosen

    def arguments(self) -> dict[str, Any]:
        raise NotImplementedError("Sequential has no named arguments: iterate over its modules")

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self))})"


class ModuleList(Module):
    """Modules by number, to be run in whatever way; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self._inside: list[Module] = []
        self.extend(modules or ())

    def append(self, module: Module) -> "ModuleList":
        """One more at the end."""
        return self.extend((module,))

    def extend(self, modules: Iterable[Module]) -> "ModuleList":
        """More at the end.

        Raises:
            TypeError: one is no module; none is added then.
        """
        more = list(modules)
        for module in more:
            if not isinstance(module, Module):
                raise TypeError(f"ModuleList: got a {type(module).__name__}, expected modules")
        self._inside += more
        return self

    def children(self) -> Iterator[tuple[str, Module]]:
        return ((str(i), module) for i, module in enumerate(self._inside))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inside)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._inside)

    def __len__(self) -> int:
        return len(self._inside)

    def __getitem__(self, index: int | slice) -> Any:
        """A module, or for a slice a ModuleList of the same modules."""
        chosen = self._inside[index]
        return ModuleList(chosen) if isinstance(chosen, list) else chosen

    def arguments(self) -> dict[str, Any]:
        return {"modules": self._inside}

    def __repr__(self) -> str:
        return f"ModuleList([{', '.join(map(repr, self))}])"


class ModuleDict(Module):
    """Modules by name, to be run in whatever way; it has no forward of its own."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self._inside: dict[str, Module] = {}
        for name, module in (modules or {}).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"ModuleDict: {name} is a {type(module).__name__}, expected a module")
        self._inside[name] = module

    def children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._inside.items())

    def keys(self) -> Iterable[str]:
        return self._inside.keys()

    def values(self) -> Iterable[Module]:
        return self._inside.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        return self._inside.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._inside)

    def __len__(self) -> int:
        return len(self._inside)

    def __contains__(self, name: str) -> bool:
        return name in self._inside

    def __getitem__(self, name: str) -> Any:
        return self._inside[name]

    def arguments(self) -> dict[str, Any]:
        return {"modules": self._inside}

    def __repr__(self) -> str:
        return f"ModuleDict({self._inside!r})"
