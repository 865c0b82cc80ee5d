"""Modules made of modules."""

from collections.abc import Iterator, Mapping
from typing import Any

from .module import Module


class Sequential(Module):
    """One module after the other: y = fₙ(… f₂(f₁(x))).

    Backward    ∂L/∂x = ∂L/∂y · fₙ′ · … · f₁′, taken from the left: last module first.
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
