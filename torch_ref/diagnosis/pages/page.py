"""What a page is, and what several pages are made with."""

from collections.abc import Callable, Mapping
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
    """

    formulas: Mapping[str, tuple[str, ...]]
    names: Mapping[str, Any]
    upstream: Callable[[Tensor], Tensor] = field(default=as_it_comes)
    others: Others = ()


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


def sums(x: Tensor, axes: Any, name: str = "total") -> tuple[dict[str, Any], Others]:
    """The sum over these axes by its name, and that over others, or the mean."""
    own = {axis % x.dim() for axis in (axes if isinstance(axes, tuple) else (axes,))}
    made = {name: lambda v: v.sum(tuple(own), keepdim=True)}
    made |= {f"{name}_mean": lambda v: v.mean(tuple(own), keepdim=True)}
    others = [("mean-for-sum", name, f"{name}_mean", "as a mean")]
    for axis in set(range(x.dim())) - own:
        made[f"{name}_{axis}"] = partial(torch.sum, dim=axis, keepdim=True)
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
