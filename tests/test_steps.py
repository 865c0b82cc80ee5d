"""Steps of layers followed through: what is written gives what stands beside it, on both sides."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

import manual
from manual.layers import multihead_attention as by_hand_attention
from manual.layers import normalization as by_hand_normalization
from manual.layers.recurrent_steps import LSTMStep
from torch_ref.cli import main
from torch_ref.explaining.derivation import derivations_of, sources_of
from torch_ref.explaining.example import Run, run_example
from torch_ref.explaining.examples import EXAMPLES
from torch_ref.explaining.mathml import name
from torch_ref.explaining.rows import nine_digits
from torch_ref.explaining.steps import attention, convolution, normalization, parts, pooling
from torch_ref.explaining.steps.kinds import maker_of, step_of
from torch_ref.explaining.steps.parts import Formula, Step, Worked, constant, number
from torch_ref.explaining.terminal import formula_lines
from torch_ref.explaining.views import formula_of, numbers_of

ROOMS = (
    *("convolution", "transposed_convolution", "pooling", "adaptive_pooling", "normalization"),
    *("batch_normalization", "recurrent", "recurrent_cells", "attention"),
    "multihead_attention",
)
FOLLOWED = [
    cls for cls in EXAMPLES if cls.__module__ in {f"manual.layers.{room}" for room in ROOMS}
]
SIGNS = (
    *(("·", "*"), ("−", "-"), ("²", "**2"), ("e^", "np.e**"), ("^", "**"), ("√(", "np.sqrt(")),
    *(("σ(", "sigmoid("), ("tanh(", "np.tanh(")),
)


@cache
def run_of_class(cls: Any) -> Run:
    return run_example(cls)


def step_of_class(cls: Any) -> Step:
    step = step_of(run_of_class(cls))
    assert step is not None
    return step


def computed(line: str) -> float:
    """A formula of numbers, by Python's own rules of what binds how firmly."""
    for written, meant in SIGNS:
        line = line.replace(written, meant)
    return float(eval(line, {"np": np, "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "max": max}))


def in_full(row: Worked) -> str:
    """A row's formula with all digits of its numbers, each in brackets."""
    return " ".join(n if isinstance(n, str) else f"({float(n)!r})" for n in row.numbers)


def printed(row: Worked) -> str:
    """A row's formula with its numbers, as it is printed."""
    return formula_lines(row)[-1].partition(" = ")[2]


def is_near(value: float, wanted: float, relative: float, numbers: Any) -> bool:
    """Near beside the largest number that it is made of."""
    size = max([abs(wanted), 1e-300, *(abs(float(n)) for n in numbers if not isinstance(n, str))])
    return abs(value - wanted) <= relative * size


def array_named(run: Run, name: str) -> np.ndarray | None:
    """The array of the example that a name before an index stands for, if it is of the example."""
    module: Any = run.module
    suffix = "_l0" if hasattr(module, "weight_ih_l0") else ""
    queries = {"Q": 0, "K": 1, "V": 2}
    parameters = {
        **{"W": "weight", "b": "bias", "γ": "weight", "β": "bias"},
        **{n: f"{long}{n[1:]}{suffix}" for n, long in (("W_ih", "weight"), ("W_hh", "weight"))},
        **{n: f"{long}{n[1:]}{suffix}" for n, long in (("b_ih", "bias"), ("b_hh", "bias"))},
        **{"W_in": "in_proj_weight", "b_in": "in_proj_bias"},
        **{"W_out": "out_proj.weight", "b_out": "out_proj.bias"},
    }
    if name == "x" or name in queries:
        return run.inputs[queries.get(name, 0)]
    if name == "∂L/∂y":
        return run.upstream[0]
    own = dict(module.named_parameters())
    return own[parameters[name]].data if name in parameters else None


def faults(run: Run) -> Iterator[str]:
    """All that is wrong with the step of an example."""
    step = step_of(run)
    assert step is not None
    known: dict[str, float] = {}
    for row in step.worked:
        name = row.equation.result.name
        for term, shown in zip(row.equation.formula, row.numbers, strict=True):
            if isinstance(term, str):
                continue
            match = re.fullmatch(r"(.+?)\[([\d,]+)\]", term.name)
            array = array_named(run, match[1]) if match else None
            if term.name in known:
                if known[term.name] != shown:
                    yield f"{name}: {term.name} is {shown}, was {known[term.name]}"
            elif match and array is not None:
                index = tuple(map(int, match[2].split(",")))
                if array[index] != shown:
                    yield f"{name}: {term.name} is {shown}, in the example {array[index]}"
        if not is_near(computed(in_full(row)), row.mine, 1e-14, row.numbers):
            yield f"{name}: computed as written {computed(in_full(row))}, beside it {row.mine}"
        if not is_near(computed(printed(row)), row.mine, 1e-8, row.numbers):
            yield f"{name}: {printed(row)} gives {computed(printed(row))}, beside it {row.mine}"
        if row.both is not None:
            for side, value in (("by hand", row.both.mine), ("autograd", row.both.theirs)):
                if not abs(value - row.mine) <= row.both.allowed:
                    yield f"{name}: {side} {value}, the formula gives {row.mine}"
        known[name] = row.mine


@pytest.mark.parametrize("cls", FOLLOWED)
def test_what_is_written_gives_the_layer_s_and_autograd_s_value(cls: Any) -> None:
    assert not list(faults(run_of_class(cls)))


def test_every_class_of_these_rooms_is_followed() -> None:
    public = [getattr(manual, name) for name in manual.__all__]
    rooms = {f"manual.layers.{room}" for room in ROOMS}
    wanted = {c for c in public if isinstance(c, type) and c.__module__ in rooms}
    assert set(FOLLOWED) == wanted
    followed = {cls for cls in EXAMPLES if maker_of(cls) is not None}
    assert followed == wanted


@pytest.mark.parametrize("cls", FOLLOWED)
def test_both_passes_are_held_to_the_layer_and_prove_something(cls: Any) -> None:
    """An output and an input's gradient that are not zero, and a weight's where there is one."""
    step = step_of_class(cls)
    held = {
        row.equation.result.name.partition("[")[0]: row.both
        for row in step.worked
        if row.both is not None and row.mine != 0
    }
    assert held.keys() & {"y", "h′"}
    assert held.keys() & {"∂L/∂x", "∂L/∂h", "∂L/∂Q"}
    if cls.__module__.endswith(("convolution", "recurrent", "recurrent_cells")):
        assert held.keys() & {"∂L/∂W", "∂L/∂W_ih"}
    assert all(0 < both.allowed < 1e-11 for both in held.values())


@pytest.mark.parametrize("cls", FOLLOWED)
def test_the_terminal_shows_every_number_in_100_columns(
    cls: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", cls.__name__]) == 0
    shown = capsys.readouterr().out.partition("Followed through: ")[2]
    assert shown
    assert max(map(len, shown.splitlines())) <= 100
    assert "nan" not in shown
    step = step_of_class(cls)
    assert step.title in shown
    for row in step.worked:
        assert f"= {nine_digits(row.mine)}" in shown
        if row.both is not None:
            mine, theirs = (nine_digits(v) for v in (row.both.mine, row.both.theirs))
            assert re.search(f"by hand +{re.escape(mine)}  autograd +{re.escape(theirs)} ", shown)


def test_a_class_without_a_step_says_nothing_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "Tanh"]) == 0
    assert "Followed through" not in capsys.readouterr().out


# ---- faults are seen


def without_the_mean(g: Any, x_hat: Any, deviation: Any, axes: Any) -> Any:
    """The gradient through a normalization, but for the mean's path."""
    return (g - x_hat * (g * x_hat).mean(axis=axes, keepdims=True)) / deviation


def unread(self: Any, kept: Any, delta: Any) -> Any:
    """An LSTM's way back on which δc does not get what h′ hands it."""
    (dh, dc), ((i, f, g, o), c, read) = delta, kept
    slopes = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g)
    dz = np.stack([*slopes, dh * read * o * (1 - o)])
    return dz, dz, (None, dc * f)


def written_wrongly(self: Formula, other: Formula) -> Formula:
    """A difference that is written as a sum."""
    return Formula((*self.parts, "+", *other.parts), self.value - other.value, parts.SUM)


def without_brackets(self: Formula, binding: int) -> Any:
    return self.parts


FAULTS: dict[str, tuple[Any, Any, str, Callable[..., Any]]] = {
    "a sign": (manual.LayerNorm, Formula, "__sub__", written_wrongly),
    "no brackets": (manual.GRU, Formula, "within", without_brackets),
    "a mean that is a sum": (manual.BatchNorm1d, normalization, "mean", parts.total),
    "a slip in the places": (
        manual.Conv2d,
        convolution,
        "reached",
        lambda module, p, k: tuple(i + j for i, j in zip(p, k, strict=True)),
    ),
    "no root": (manual.ScaledDotProductAttention, attention, "root", constant),
    "the smallest": (manual.MaxPool2d, pooling, "largest_of", lambda x, window: window[0]),
    "a wrong name": (
        manual.Conv1d,
        convolution,
        "entry",
        lambda name, array, index: number(parts.at(name, (0,) * len(index)), array[index]),
    ),
    "by hand without the mean": (
        manual.LayerNorm,
        by_hand_normalization,
        "back_through_normalized",
        without_the_mean,
    ),
    "by hand without the read": (manual.LSTMCell, LSTMStep, "step_back", unread),
    "by hand without the softmax": (
        manual.MultiheadAttention,
        by_hand_attention,
        "through_softmax",
        lambda A, dA: A * dA,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls, place, name, wrong = FAULTS[fault]
    monkeypatch.setattr(place, name, wrong)
    assert list(faults(run_example(cls)))


# ---- formulas by themselves

A, B, C = (number(name, value) for name, value in (("a", -0.5), ("b", 2.0), ("c", 3.0)))
WRITTEN = {
    "a + b · c": (A + B * C, 5.5),
    "(a + b) · c": ((A + B) * C, 4.5),
    "a − (b − c)": (A - (B - C), 0.5),
    "a − b − c": (A - B - C, -5.5),
    "a / (b · c)": (A / (B * C), -0.5 / 6),
    "a / b / c": (A / B / C, -0.5 / 6),
    "(a − b)²": ((A - B).squared(), 6.25),
    "− a · b": (-(A * B), 1.0),
    "− (a + b)": (-(A + B), -1.5),
    "√(b + c)": (parts.square_root(B + C), 5**0.5),
    "b^0.5": (B.to_the(0.5), 2**0.5),
    "e^a": (parts.exponential(A), np.exp(-0.5)),
    "max(a, b, c)": (parts.largest([A, B, C]), 3.0),
    "(a + b + c) / 3": (parts.mean([A, B, C]), 1.5),
    "σ(a · b)": (parts.logistic(A * B), 1 / (1 + np.exp(1.0))),
    "tanh(b)": (parts.hyperbolic(B), np.tanh(2.0)),
    "0": (parts.total([]), 0.0),
    "a²": (A.squared(), 0.25),
}


@pytest.mark.parametrize("line", WRITTEN)
def test_a_formula_is_written_as_it_is_computed(line: str) -> None:
    formula, value = WRITTEN[line]
    assert isclose(formula.value, value, rel_tol=1e-14, abs_tol=1e-15)
    step = Step("")
    step.work("q", formula)
    (row,) = step.worked
    assert formula_lines(row)[0] == f"q = {line}"
    assert isclose(computed(printed(row)), value, rel_tol=1e-14, abs_tol=1e-15)


# ---- the page


@pytest.mark.parametrize("cls", [*FOLLOWED, manual.Tanh, manual.Adam])
def test_the_page_says_what_the_terminal_says(cls: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert main(["explain", cls.__name__, "--html", str(path)]) == 0
    html = path.read_text(encoding="utf-8")
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)  # nothing is fetched
    for anchor in re.findall(r'href="#([^"]+)"', html):
        assert html.count(f'id="{anchor}"') == 1
    for place, text in [*derivations_of(cls), *sources_of(cls)]:
        assert escape(place) in html
        assert escape(text) in html
    step = step_of_class(cls) if cls in FOLLOWED else Step("")
    assert html.count('<div class="step ') == len(step.rows)
    for index, row in enumerate(step.rows):
        if isinstance(row, Worked) and row.both is not None:
            for side in ("mine", "theirs"):
                value = nine_digits(getattr(row.both, side))
                assert f'data-key="s{index}" data-side="{side}">{value}<' in html


NAMES = {
    "x[0,1]": "<msub><mi>x</mi><mrow><mtext>0,1</mtext></mrow></msub>",
    "W_ih[2]": "<msub><mi>W</mi><mrow><mi>ih</mi><mo>,</mo><mtext>2</mtext></mrow></msub>",
    "tanh c′[0]": "<msub><mi>tanh c′</mi><mrow><mtext>0</mtext></mrow></msub>",
    "x̂_12": "<msub><mi>x̂</mi><mn>12</mn></msub>",
    "[x[0] = y[1]]": "<mi>[x[0] = y[1]]</mi>",
    "0.75": "<mn>0.75</mn>",
}


@pytest.mark.parametrize("text", NAMES)
def test_names_in_mathml(text: str) -> None:
    assert name(text) == NAMES[text]


def test_a_power_in_mathml() -> None:
    step = Step("")
    step.work("q", (A + B).to_the(0.5) / B.to_the(2))
    (row,) = step.worked
    names, numbers = "".join(formula_of(row)), "".join(numbers_of(row))
    assert "<msup><mi>b</mi><mn>2</mn></msup>" in names
    assert "<msup><mn>2</mn><mn>2</mn></msup>" in numbers
