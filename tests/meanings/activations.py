"""What the symbols of activations stand for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import manual
from manual.models.mlp import ACTIVATIONS

from ..derivations.docstrings import Case
from ..derivations.meaning import Meaning
from .draws import drawn, named, passed, pointwise, ready

SETTINGS: dict[str, dict[str, float]] = {  # of the class, by the symbol
    "Hardtanh": {"min_val": -0.7, "max_val": 1.2},
    "LeakyReLU": {"a": 0.3},
    "Threshold": {"θ": 0.4, "v": -0.6},
    "ELU": {"α": 0.7},
    "CELU": {"α": 0.7},
    "Softplus": {"β": 1.7},
    "Hardshrink": {"λ": 0.6},
    "Softshrink": {"λ": 0.6},
}
X = np.array([-7.3, -4.1, -3.4, -2.3, -0.9, -0.35, 0.3, 0.8, 1.9, 3.7, 6.4])
OF_ONE_NUMBER = [*(n for n in ACTIVATIONS if n not in ("Identity", "PReLU")), "Threshold"]


def of_one_number(name: str, *arguments: Any, options: tuple[str, ...] = ()) -> Case:
    settings = SETTINGS.get(name, {})
    symbols = dict(settings)
    if name == "SELU":
        symbols = {"α": manual.SELU.ALPHA, "λ": manual.SELU.SCALE}
    if name == "Hardtanh":
        symbols |= {"lo": settings["min_val"], "hi": settings["max_val"]}
    module = named(name)(*settings.values(), *arguments)
    places = (name,) if name == "Threshold" else (name, "Elementwise")
    return pointwise(
        module,
        {"x": X},
        symbols,
        places=places,
        required=("y", "∂L/∂x") if name == "Threshold" else ("y", "f′(x)", "∂L/∂x"),
        options=options,
        more=lambda values: {"f(x)": values["y"], "f′(x)": values["∂L/∂x"] / values["g"]},
    )


def prelu() -> Case:
    values = passed(ready(manual.PReLU()), {"x": drawn(7)}, parameters={"w": "weight"})
    values |= {"w": float(values["w"][0]), "∂L/∂w": float(values["∂L/∂w"][0])}
    meaning = Meaning(values, {"n": range(7)})
    return Case(manual.PReLU, [meaning], ("y", "∂L/∂x", "∂L/∂w"), ("PReLU",))


def prelu_s_slope() -> Case:
    """Of the table, where PReLU is a function of one number."""
    module = manual.PReLU(init=0.3, dtype=np.float64)
    return pointwise(
        module, {"x": X}, {"w": 0.3}, more=lambda values: {"f′(x)": values["∂L/∂x"] / values["g"]}
    )


def softmaxes() -> Iterator[Case]:
    for cls in (manual.Softmax, manual.Softmin, manual.LogSoftmax):
        values = passed(cls(dim=0), {"x": drawn(4)})
        meaning = Meaning(values, {index: range(4) for index in "ijk"})
        yield Case(cls, [meaning], ("y", "∂L/∂x"), (cls.__name__,))
    values = passed(manual.Softmax2d(), {"x": drawn(3, 2, 1)})
    meanings = [
        Meaning({k: v[:, i, 0] for k, v in values.items()}, {index: range(3) for index in "ij"})
        for i in range(2)
    ]
    yield Case(manual.Softmax2d, meanings, ("y", "∂L/∂x"), ("Softmax",))
    values = passed(manual.GLU(), {"x": drawn(6)})
    halves = {"a": values["x"][:3], "b": values["x"][3:], "y": values["y"], "g": values["g"]}
    halves |= {"∂L/∂a": values["∂L/∂x"][:3], "∂L/∂b": values["∂L/∂x"][3:], "∂L/∂y": values["g"]}
    meanings = [Meaning({k: float(v[i]) for k, v in halves.items()}) for i in range(3)]
    yield Case(manual.GLU, meanings, ("y", "∂L/∂a", "∂L/∂b"), ("GLU",))


CASES = [
    *(of_one_number(name) for name in OF_ONE_NUMBER if name != "GELU"),
    of_one_number("GELU", "none", options=('approximate="none"',)),
    of_one_number("GELU", "tanh", options=('approximate="tanh"',)),
    prelu(),
    *softmaxes(),
]
TABLE = {case.cls.__name__: case for case in CASES[: len(OF_ONE_NUMBER)]}
TABLE["PReLU"] = prelu_s_slope()
