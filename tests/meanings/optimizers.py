"""What the symbols of optimizers stand for: settings, and each step's gradient and weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import manual

from ..derivations.docstrings import Case
from ..derivations.meaning import Meaning
from .draws import drawn

STEPS = 9  # so many that RAdam comes to trust v̂


def of_numbers(
    cls: Any,
    symbols: Mapping[str, Any],
    settings: Mapping[str, Any],
    options: tuple[str, ...] = (),
    state: Mapping[str, str] = {},
) -> Case:
    """An optimizer of single numbers, several of them side by side.

    Args:
        symbols: its settings by their symbols, and what its state begins with.
        settings: the same by their names.
        state: what is compared beside w: the symbol, and its name in the optimizer's state.
    """
    begin, gradients = drawn(3), drawn(STEPS, 3)
    gradients[4] = -gradients[3]  # whatever the draw: a sign that turns
    parameter = manual.Parameter(begin)
    optimizer = cls([parameter], **settings)
    after = []
    for g in gradients:
        parameter.grad = g.copy()
        optimizer.step()
        entries = optimizer.state[parameter]
        found = {symbol: np.copy(entries[name]) for symbol, name in state.items()}
        after.append({"w": parameter.data.copy(), **found})
    cases = [
        (
            Meaning({"w": float(begin[k]), **symbols}),
            tuple(
                (
                    {"g": float(g[k])},
                    {name: float(value[k]) for name, value in now.items()},
                )
                for g, now in zip(gradients, after, strict=True)
            ),
        )
        for k in range(3)
    ]
    return Case(cls, cases, (), (cls.__name__,), frozenset(options))


def adams() -> Iterator[Case]:
    η, betas, ε = 0.3, (0.6, 0.8), 0.2
    settings: dict[str, Any] = {"lr": η, "betas": betas, "eps": ε}
    symbols = {"η": η, "β₁": betas[0], "β₂": betas[1], "ε": ε, "m": 0.0, "v": 0.0}
    state = {"m": "exp_avg", "v": "exp_avg_sq"}
    yield of_numbers(manual.Adam, symbols, settings, (), state)
    heavy, decay = {**symbols, "λ": 0.4}, {**settings, "weight_decay": 0.4}
    yield of_numbers(manual.Adam, heavy, decay, ("weight_decay",), state)
    largest = {**symbols, "u": 0.0}
    yield of_numbers(manual.Adam, largest, {**settings, "amsgrad": True}, ("amsgrad",), state)
    yield of_numbers(manual.AdamW, heavy, decay, (), state)
    looking = {**symbols, "ψ": 7.0, "P": 1.0, "c": 0.0}
    yield of_numbers(manual.NAdam, looking, {**settings, "momentum_decay": 7.0}, (), state)
    yield of_numbers(manual.RAdam, symbols, settings, (), state)
    greatest = {**{k: v for k, v in symbols.items() if k != "v"}, "u": 0.0}
    yield of_numbers(manual.Adamax, greatest, settings, (), {"m": "exp_avg", "u": "exp_inf"})


def others() -> Iterator[Case]:
    settings: dict[str, Any] = {"lr": 0.3, "momentum": 0.7}
    symbols = {"η": 0.3, "μ": 0.7, "d": 0.4, "v": 0.0}
    damped = {**settings, "dampening": 0.4}
    yield of_numbers(manual.SGD, symbols, damped, (), {"v": "momentum_buffer"})
    ahead = {**settings, "nesterov": True, "weight_decay": 0.4}
    yield of_numbers(
        manual.SGD, {**symbols, "d": 0.0, "λ": 0.4}, ahead, ("nesterov", "weight_decay")
    )
    symbols = {"lr": 0.3, "λ′": 0.4, "α": 0.6, "t₀": 3, "η": 0.3, "μ": 1.0, "ax": 0.0}
    settings = {"lr": 0.3, "lambd": 0.4, "alpha": 0.6, "t0": 3}
    yield of_numbers(manual.ASGD, symbols, settings, (), {"ax": "ax"})
    symbols = {"η": 0.3, "decay": 0.4, "s": 0.5, "ε": 0.2}
    settings = {"lr": 0.3, "lr_decay": 0.4, "initial_accumulator_value": 0.5, "eps": 0.2}
    yield of_numbers(manual.Adagrad, symbols, settings, (), {"s": "sum"})
    symbols = {"η": 0.3, "ρ": 0.7, "ε": 0.2, "s": 0.0, "d": 0.0}
    settings = {"lr": 0.3, "rho": 0.7, "eps": 0.2}
    state = {"s": "square_avg", "d": "acc_delta"}
    yield of_numbers(manual.Adadelta, symbols, settings, (), state)
    symbols = {"η": 0.3, "α": 0.7, "ε": 0.2, "s": 0.0}
    settings = {"lr": 0.3, "alpha": 0.7, "eps": 0.2}
    yield of_numbers(manual.RMSprop, symbols, settings, (), {"s": "square_avg"})
    symbols |= {"ḡ": 0.0, "b": 0.0, "μ": 0.6}
    settings |= {"centered": True, "momentum": 0.6}
    state = {"ḡ": "grad_avg", "b": "momentum_buffer"}
    yield of_numbers(manual.RMSprop, symbols, settings, ("centered", "momentum"), state)
    symbols = {"s": 0.3, "h": 0.0, "grow": 1.4, "shrink": 0.6, "smallest": 0.2, "largest": 0.7}
    settings = {"lr": 0.3, "etas": (0.6, 1.4), "step_sizes": (0.2, 0.7)}
    yield of_numbers(manual.Rprop, symbols, settings, (), {"s": "step_size", "h": "prev"})


def muon(shape: tuple[int, int], nesterov: bool, adjust: str | None) -> Case:
    """Of a matrix: with U, S and V of u at every step, which the iteration keeps."""
    η, μ, λ, (a, b, c) = 0.3, 0.7, 0.4, (3.4445, -4.7750, 2.0315)
    begin = drawn(*shape)
    parameter = manual.Parameter(begin)
    optimizer = manual.Muon(
        [parameter], η, λ, μ, nesterov, (a, b, c), adjust_lr_fn=adjust, eps=1e-30
    )
    symbols = {"η": η, "μ": μ, "λ": λ, "a": a, "b": b, "c": c, "m": np.zeros(shape), "w": begin}
    symbols |= {"rows": shape[0], "columns": shape[1]}
    steps = []
    for g in drawn(3, *shape):
        parameter.grad = g.copy()
        optimizer.step()
        m = optimizer.state[parameter]["momentum_buffer"].copy()
        U, S, Vᵀ = np.linalg.svd(g / 4, full_matrices=False)  # of any matrix
        split = {"U": U, "S": np.diag(S), "V": Vᵀ.T}
        steps.append(({"g": g, **split}, {"m": m, "w": parameter.data.copy()}))
    options = {*(["nesterov"] if nesterov else []), *([adjust] if adjust else [])}
    return Case(manual.Muon, [(Meaning(symbols), tuple(steps))], (), ("Muon",), frozenset(options))


def clipped() -> Case:
    """Of two gradients as one vector, too long and short enough."""
    steps = []
    for g in (np.array([3.0, -4.0, 1.2]), np.array([0.1, 0.2, -0.3])):
        parameters = [manual.Parameter(g[:2]), manual.Parameter(g[2:])]
        for parameter in parameters:
            parameter.grad = parameter.data.copy()
        manual.clip_grad_norm_(parameters, 0.7)
        after = np.concatenate([parameter.grad for parameter in parameters])
        steps.append(({"g": g}, {"g": after}))
    meaning = Meaning({"max_norm": 0.7})
    return Case(manual.clip_grad_norm_, [(meaning, tuple(steps))], (), ("clip_grad_norm_",))


CASES = [
    clipped(),
    *adams(),
    *others(),
    muon((3, 4), True, None),
    muon((5, 3), False, None),
    muon((3, 4), True, "match_rms_adamw"),
]
