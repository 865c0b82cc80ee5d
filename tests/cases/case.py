"""What a case of the table is: how a module is made on both sides, and what it is run on."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from itertools import product
from typing import Any

import numpy as np
import torch

import manual
from torch_ref import models
from torch_ref.parity.one_pass import flat
from torch_ref.twin import to_torch

from .draws import Draw, Generator


@dataclass(frozen=True)
class Recipe:
    """How a module is made on either side, from what a case asks for and nothing else.

    Args:
        made: the by-hand class; PyTorch's is the one of that name.
        arguments: recipes among them are for modules.
        typed: its constructor takes a dtype and, by hand, a generator for its first values.
        draws: by hand it takes a generator that its forward pass draws from.
        training: whether it is in training mode.
    """

    made: type[manual.Module]
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    typed: bool = False
    draws: bool = False
    training: bool = True

    def by_hand(self, dtype: Any, generator: Generator) -> manual.Module:
        options = {name: cast(value, dtype) for name, value in self.options.items()}
        if self.typed:
            options["dtype"] = dtype
        if (self.typed or self.draws) and "generator" in signature(self.made).parameters:
            options["generator"] = generator
        arguments = (
            a.by_hand(dtype, generator) if isinstance(a, Recipe) else a for a in self.arguments
        )
        module = self.made(*arguments, **options).train(self.training)
        # A factor of one, or a mean of zero, that is left out would not show.
        for parameter in module.parameters():
            if parameter.data.size > 1 and (parameter.data == parameter.data.flat[0]).all():
                parameter.data += generator.normal(size=parameter.shape).astype(dtype)
        if not self.training:
            for _, values in module.named_buffers():
                if values.dtype.kind == "f":
                    values += generator.uniform(size=values.shape).astype(dtype)
        return module

    def by_autograd(self, dtype: Any, mine: manual.Module) -> torch.nn.Module:
        """PyTorch's, with the numbers of `mine`, but none of what `mine` says of its settings."""
        return loaded(self.of_pytorch(dtype, mine), mine).train(self.training)

    def of_pytorch(self, dtype: Any, mine: manual.Module) -> torch.nn.Module:
        """PyTorch's, with numbers of its own; of `mine` it takes the generator, if it draws."""
        options = {name: to_torch(cast(value, dtype)) for name, value in self.options.items()}
        if self.typed:
            options["dtype"] = to_torch(np.dtype(dtype))
        if self.draws:
            options["generator"] = copy.deepcopy(mine.generator)  # type: ignore[attr-defined]
        arguments = (
            a.of_pytorch(dtype, mine) if isinstance(a, Recipe) else a for a in self.arguments
        )
        own = getattr(self.made, "twin_class", None)
        name = self.made.__name__
        reference = own or getattr(models, name, None) or getattr(torch.nn, name)
        return reference(*arguments, **options)


@dataclass(frozen=True)
class Chain:
    """A Sequential of several recipes."""

    parts: tuple[Recipe, ...]

    def by_hand(self, dtype: Any, generator: Generator) -> manual.Module:
        return manual.Sequential(*(part.by_hand(dtype, generator) for part in self.parts))

    def by_autograd(self, dtype: Any, mine: Any) -> torch.nn.Module:
        pairs = zip(self.parts, mine, strict=True)
        return torch.nn.Sequential(*(part.by_autograd(dtype, own) for part, own in pairs))


def loaded(reference: torch.nn.Module, mine: manual.Module) -> torch.nn.Module:
    """The reference with the numbers of `mine`."""
    reference.load_state_dict({name: to_torch(v) for name, v in mine.state_dict().items()})
    return reference


@dataclass(frozen=True)
class Case:
    """A module, and inputs to run it on.

    Args:
        name: unique; begins with the class it is a case of.
        recipe: how it is made on both sides.
        draw: from a generator to its inputs; floating ones are cast to the dtype under test.
        smooth: whether the inputs keep clear of the points where there is no derivative.
        proves: whether the true gradients are other than zero.
        pytorch_is_off: why PyTorch's float64 gradient is not right to float64's digits, if so.
    """

    name: str
    recipe: Recipe | Chain
    draw: Draw
    smooth: bool = True
    proves: bool = True
    pytorch_is_off: str = ""

    @property
    def class_name(self) -> str:
        return self.name.partition("-")[0]

    @property
    def trains(self) -> bool:
        """Whether there is anything to train in it."""
        return any(p.requires_grad for p in self.build(np.float64)[0].parameters())

    def build(self, dtype: Any, seed: int = 0) -> tuple[manual.Module, tuple[Any, ...]]:
        """The module and its inputs in this dtype, for a seed the same numbers every time."""
        generator = np.random.default_rng(seed)
        module = self.recipe.by_hand(np.dtype(dtype), generator)
        return module, tuple(cast(x, dtype) for x in self.draw(generator))

    def reference(self, dtype: Any, mine: manual.Module) -> torch.nn.Module:
        """PyTorch's side, with the numbers of `mine`."""
        return self.recipe.by_autograd(np.dtype(dtype), mine)

    def upstream(self, dtype: Any, seed: int = 0) -> tuple[Any, ...]:
        """Random, non-uniform gradients for the outputs: all ones would hide mistakes."""
        module, inputs = self.build(dtype, seed)
        with manual.no_grad():
            outputs = flat(module(*inputs))
        generator = np.random.default_rng(seed + 1)
        drawn = (
            None if o is None else np.array(generator.normal(size=np.shape(o))) for o in outputs
        )
        return tuple(cast(g, dtype) for g in drawn)


def cast(x: Any, dtype: Any) -> Any:
    """Floating arrays in this dtype, also in nested tuples; all else as it is."""
    if isinstance(x, tuple):
        return tuple(cast(part, dtype) for part in x)
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


# How modules are made


def over(**options: Any) -> Iterator[dict[str, Any]]:
    """Every combination of the options' values."""
    return (dict(zip(options, values, strict=True)) for values in product(*options.values()))


def written(options: dict[str, Any]) -> str:
    return "".join(f"-{k}={'array' if np.ndim(v) else v}" for k, v in options.items())


def plain(made: Any, *arguments: Any, **options: Any) -> Recipe:
    """A module whose constructor takes no dtype; arrays among its options are cast."""
    return Recipe(made, arguments, options)


def typed(made: Any, *arguments: Any, **options: Any) -> Recipe:
    """A module whose constructor takes a dtype, and a generator."""
    return Recipe(made, arguments, options, typed=True)


def each(
    made: Any, draws: Mapping[str, Draw], variants: Any = ({},), smooth: bool = True, **more: Any
) -> Iterator[Case]:
    """A case for each of the draws, with each of the variants' options.

    Args:
        draws: by what they are called in the case's name.
        more: further options and all their values, each with each.
    """
    for options, added, (suffix, draw) in product(variants, [*over(**more)], draws.items()):
        both = {**options, **added}
        yield Case(made.__name__ + written(both) + suffix, plain(made, **both), draw, smooth)
