"""What the meanings are made with: numbers, and a module's pass on them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import manual

from ..derivations.docstrings import Case
from ..derivations.meaning import Meaning

GENERATOR = np.random.default_rng(7)


def drawn(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape)


def within(*shape: int) -> np.ndarray:
    """Numbers well inside (0, 1)."""
    return GENERATOR.uniform(0.15, 0.85, size=shape)


def ready(module: Any) -> Any:
    """The module in float64, its parameters drawn anew: zeros and ones hide too much."""
    module.to(np.float64)
    for parameter in module.parameters():
        parameter.data = drawn(*parameter.shape)
    return module


def passed(
    module: Any, inputs: Mapping[str, Any], out: str = "y", parameters: Mapping[str, str] = {}
) -> dict[str, Any]:
    """The names of a pass: inputs, parameters, output, g, and the gradient of each.

    Args:
        inputs: by their symbols, in the order of forward; integers have no gradient.
        parameters: symbol of each, and its name in the module.
    """
    for parameter in module.parameters():
        parameter.grad = None
    y = module(*inputs.values())
    g = drawn(*np.shape(y))
    back = module.backward(g)
    back = back if isinstance(back, tuple) else (back,)
    values = {**inputs, out: y, "g": g, f"∂L/∂{out}": g}
    floating = [name for name, x in inputs.items() if np.asarray(x).dtype.kind == "f"]
    values |= {f"∂L/∂{name}": grad for name, grad in zip(floating, back, strict=False)}
    own = dict(module.named_parameters())
    for symbol, name in parameters.items():
        values |= {symbol: own[name].data, f"∂L/∂{symbol}": own[name].grad}
    return values


def each(values: Mapping[str, Any], fixed: Iterable[str] = ()) -> list[dict[str, Any]]:
    """One set of values for every element, of all that are arrays and not fixed."""
    split = {k: np.ravel(v) for k, v in values.items() if np.ndim(v) and k not in fixed}
    count = max(map(len, split.values()))
    return [{**values, **{k: float(v[i]) for k, v in split.items()}} for i in range(count)]


def pointwise(
    module: Any,
    inputs: Mapping[str, Any],
    symbols: Mapping[str, Any] = {},
    *,
    places: Sequence[str] = (),
    required: Sequence[str] = ("y",),
    options: Iterable[str] = (),
    out: str = "y",
    more: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda values: {},
) -> Case:
    """A function of single numbers: its formulas hold at every element.

    Args:
        symbols: settings.
        more: what follows from the values of the pass.
    """
    values = {**passed(module, inputs, out), **symbols}
    values |= more(values)
    return Case(
        type(module),
        [Meaning(one) for one in each(values)],
        tuple(required),
        tuple(places) or (type(module).__name__,),
        frozenset(options),
    )


def named(cls: str) -> Any:
    return getattr(manual, cls)
