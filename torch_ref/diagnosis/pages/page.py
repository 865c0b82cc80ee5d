"""What a page is, and what several pages are made with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from ..operations import Tensor
from ..slips import Others


def as_it_comes(g: Tensor) -> Tensor:
    return g


@dataclass
class Page:
    """The formulas of one call.

    Attributes:
        formulas: by the name of the argument; several are several ways to write it.
        names: what stands for each name in them.
        upstream: makes g of the upstream gradient, as where a loss is reduced.
        others: functions among the names that may be taken for one another, and what they are.
        siblings: what the function may be taken for, and that one's formula.
    """

    formulas: Mapping[str, tuple[str, ...]]
    names: Mapping[str, Any]
    upstream: Callable[[Tensor], Tensor] = field(default=as_it_comes)
    others: Others = ()
    siblings: Sequence[tuple[str, str]] = ()


PAGES: dict[str, Callable[..., Page]] = {}


def page(function: Callable[..., Page]) -> Callable[..., Page]:
    PAGES[function.__name__] = function
    return function


def of_one(name: str, *formulas: str, **functions: Callable[[Tensor], Any]) -> None:
    """A page of a function of one value without options; functions make its further names."""

    def made(input: Tensor) -> Page:
        names = {name: f(input) for name, f in functions.items()}
        return Page({"input": formulas}, {"x": input, **names})

    PAGES[name] = made


def axes_of(x: Tensor, dim: Any) -> tuple[int, ...]:
    """Axes from 0 up, of one or several."""
    return tuple(axis % x.dim() for axis in (dim if isinstance(dim, tuple | list) else (dim,)))


def count_over(x: Tensor, axes: tuple[int, ...]) -> float:
    return float(torch.Size(x.shape[axis] for axis in axes).numel())


def sums(x: Tensor, dim: Any, mean: bool = False) -> tuple[dict[str, Any], Others]:
    """`total` or `mean`, over these axes; and over others, or the one for the other."""
    own = axes_of(x, dim)
    name, kind = ("mean", "sum-for-mean") if mean else ("total", "mean-for-sum")
    functions = (torch.mean, torch.sum) if mean else (torch.sum, torch.mean)
    made = {name: partial(functions[0], dim=own, keepdim=True)}
    made[f"{name}_not"] = partial(functions[1], dim=own, keepdim=True)
    others = [(kind, name, f"{name}_not", "as a sum" if mean else "as a mean")]
    for axis in range(x.dim()):
        if (axis,) != own:
            made[f"{name}_{axis}"] = partial(functions[0], dim=axis, keepdim=True)
            others.append(("wrong-axes", name, f"{name}_{axis}", f"over axis {axis}"))
    return made, tuple(others)


def reduced(like: Tensor, reduction: str, count: Any = None) -> Callable[[Tensor], Tensor]:
    """What makes of a loss's upstream gradient that of each of its terms."""
    count = like.numel() if count is None else count

    def spread(g: Tensor) -> Tensor:
        if reduction == "none":
            return g
        return g.expand(like.shape) / (count if reduction == "mean" else 1)

    return spread


def one_hot(target: Tensor, like: Tensor) -> Tensor:
    """The target as rows of zeros and a one; what is ignored has none."""
    return (target.unsqueeze(-1) == torch.arange(like.shape[-1])).to(like)
