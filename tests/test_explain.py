"""The walkthrough: every quantity by hand and by autograd, on the terminal and as a page."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.article.description import (
    LOSSES,
    Description,
    DescriptionError,
    drawn_network,
    the_article,
)
from manual.article.figures import FIGURES, rounds
from manual.article.layer_by_layer import layer_by_layer
from manual.article.neuron_by_neuron import neuron_by_neuron
from manual.article.walkthrough import after, values_by_hand
from torch_ref.cli import main
from torch_ref.explaining.description import read_description, with_numbers
from torch_ref.explaining.over_rounds import over_rounds
from torch_ref.explaining.over_steps import (
    GRADIENTS,
    RATE,
    WEIGHT,
    optimizer_lines,
    rates_of,
    schedule_lines,
)
from torch_ref.explaining.page import fall, page
from torch_ref.explaining.quantities import anchor_of
from torch_ref.explaining.rows import both_after, nine_digits, rows_of, values_by_autograd
from torch_ref.explaining.terminal import block, text
from torch_ref.training.settings import OPTIMIZERS, SCHEDULES
from torch_ref.twin import all_in

NETWORKS: dict[str, Description] = {
    "the article": the_article(),
    "tanh": drawn_network((3, 4, 2), "Tanh", "cross-entropy", 1),
    "relu": drawn_network((3, 5, 4, 2), "ReLU", "mse", 2),
    "gelu": drawn_network((2, 3, 3), "GELU", "half-squared", 3),
    "linear": drawn_network((3, 2), "Sigmoid", "mse", 4),
    "a batch": drawn_network((3, 4, 2), "Sigmoid", "cross-entropy", 5, samples=6),
    "wide": drawn_network((12, 9, 3), "Softplus", "mse", 6),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_by_hand_and_autograd_agree_on_every_quantity(name: str) -> None:
    d = NETWORKS[name]
    mine, theirs, _ = both_after(d, 2)
    assert mine.keys() == theirs.keys()
    for key in theirs.keys() & mine.keys():
        np.testing.assert_allclose(mine[key], theirs[key], rtol=1e-12, atol=1e-15, err_msg=key)


MATRICES = """
net_h = i · W_hᵀ + b_h
out_h = tanh( net_h )
net_o = out_h · W_oᵀ + b_o
out_o = net_o
p = softmax( out_o )
E = − Σ ( onehot_t ⊙ log p ) / 1
∂E/∂out_o = ( p − onehot_t ) / 1
∂E/∂net_o = ∂E/∂out_o
∂E/∂W_o = (∂E/∂net_o)ᵀ · out_h
∂E/∂b_o = Σ over samples of ∂E/∂net_o
∂E/∂out_h = ∂E/∂net_o · W_o
f′(net_h) = 1 − out_h ²
∂E/∂net_h = ∂E/∂out_h ⊙ f′(net_h)
∂E/∂W_h = (∂E/∂net_h)ᵀ · i
∂E/∂b_h = Σ over samples of ∂E/∂net_h
W_h⁺ = W_h − η · ∂E/∂W_h
b_h⁺ = b_h − η · ∂E/∂b_h
W_o⁺ = W_o − η · ∂E/∂W_o
b_o⁺ = b_o − η · ∂E/∂b_o
net_h⁺ = i · W_h⁺ᵀ + b_h⁺
out_h⁺ = tanh( net_h⁺ )
net_o⁺ = out_h⁺ · W_o⁺ᵀ + b_o⁺
out_o⁺ = net_o⁺
p⁺ = softmax( out_o⁺ )
E⁺ = − Σ ( onehot_t ⊙ log p⁺ ) / 1
"""


def written(steps: Any) -> list[str]:
    """Name and formula of each."""
    return [
        f"{step.result.name} = {' '.join(getattr(t, 'name', t) for t in step.formula)}"
        for step in steps
    ]


def test_the_formulas_of_the_matrices() -> None:
    assert written(layer_by_layer(NETWORKS["tanh"])) == MATRICES.split("\n")[1:-1]
    assert {
        "E = Σ ( out_o − t )² / 2",
        "∂E/∂out_o = 2 ( out_o − t ) / 2",
        "∂E/∂net_o = ∂E/∂out_o",
        "∂E/∂net_k = ∂E/∂out_k ⊙ f′(net_k)",
        "W_o⁺ = W_o − η · ∂E/∂W_o",
    } <= {*written(layer_by_layer(NETWORKS["relu"]))}
    article = written(layer_by_layer(NETWORKS["the article"]))
    assert {"E = ½ Σ ( t − out_o )²", "∂E/∂out_o = out_o − t"} <= {*article}
    assert not [line for line in article if line.startswith("b_h⁺")]  # its biases are held fixed


def evaluated(formula: Any, values: Any) -> float:
    """A formula of single numbers, computed as it is written."""
    line = " ".join(t if isinstance(t, str) else f"({t.value(values)!r})" for t in formula)
    for written, meant in (
        ("½", "0.5"),
        ("·", "*"),
        ("−log", "-np.log"),
        ("−", "-"),
        ("²", "**2"),
        ("e^", "np.exp"),
        ("σ(", "sigmoid("),
        ("tanh(", "np.tanh("),
    ):
        line = line.replace(written, meant)
    return float(eval(line, {"np": np, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}))


@pytest.mark.parametrize("name", ["the article", "tanh", "linear"])
def test_a_formula_gives_what_stands_beside_it(name: str) -> None:
    """The formulas are no decoration: computed as written, each gives its quantity."""
    d = NETWORKS[name]
    values = values_by_hand(d)
    checked = 0
    for step in neuron_by_neuron(d):
        if all(isinstance(part, str) for part in step.formula):
            continue
        found = evaluated(step.formula, values)
        assert found == pytest.approx(step.result.value(values), rel=1e-12, abs=1e-15), step
        checked += 1
    assert checked > 15


def test_the_quantities_are_those_of_the_worked_example() -> None:
    d = the_article()
    values, article = values_by_hand(d), rounds({0, 1})
    named = {s.result.name: s.result.value(values) for s in neuron_by_neuron(d)}
    for name, key in (
        ("net_h1", "net_h1"),
        ("out_o2", "out_o2"),
        ("E_o1", "E_o1"),
        ("∂E/∂w5", "dE_dw5"),
        ("∂E_o2/∂out_h1", "dE_o2_dout_h1"),
        ("∂E/∂w1", "dE_dw1"),
        ("w8⁺", "w8_new"),
    ):
        assert named[name] == pytest.approx(article[0][key], rel=1e-14)
    assert named["E⁺"] == pytest.approx(article[1]["E_total"], rel=1e-14)
    assert values_by_hand(after(d, values))["L"] == pytest.approx(article[1]["E_total"], rel=1e-14)


def test_every_figure_of_the_first_round_is_shown_beside_ours() -> None:
    d = the_article()
    rows = rows_of(d, values_by_hand(d), values_by_autograd(d), scalar=True, first=True)
    shown = {row.printed.name for row in rows if row.printed}
    assert {f.name for f in FIGURES if f.said_of == 0 or f.name == "E after 1 round"} <= shown


def test_every_figure_that_the_article_prints_is_on_the_page() -> None:
    html = page(the_article(), 0)
    for figure in FIGURES:
        assert figure.printed.replace("-", "−") in html, figure.name


def test_the_slip_is_explained_where_it_happens() -> None:
    shown = " ".join(text(the_article(), 0, scalar=True).split())
    assert "= 0.291027774 autograd 0.291027774" in shown
    assert "The article prints 0.291027924. It is reached only if w5 … w8 are updated" in shown
    assert "∂E/∂out_h1 becomes 0.0302297395" in shown
    assert rounds({0}, "early")[0]["dE_dout_h1"] == pytest.approx(0.0302297395, rel=1e-8)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_terminal_has_100_columns(name: str) -> None:
    d = NETWORKS[name]
    for scalar in (True, False) if len(d.x) == 1 else (False,):
        shown = text(d, 1, scalar)
        assert max(map(len, shown.splitlines())) <= 100
        assert "nan" not in shown


def test_after_some_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--step", "1"]) == 0
    shown = capsys.readouterr().out
    assert "after 1 steps" in shown
    assert nine_digits(rounds({1})[1]["E_total"]) in shown


@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_on_the_page_is_the_number_computed(name: str) -> None:
    d = NETWORKS[name]
    html = page(d, 0)
    rows = rows_of(d, values_by_hand(d), values_by_autograd(d), True, True) if len(d.x) == 1 else []
    for row in rows:
        anchor = anchor_of(row.equation.result.name)
        for side, value in (("mine", row.mine), ("theirs", row.theirs)):
            shown = re.search(f'data-key="{anchor}" data-side="{side}">([^<]*)<', html)
            assert shown is not None
            assert shown.group(1) == nine_digits(float(value))
    assert "nan" not in html.lower().replace("finance", "")
    assert not re.search(r"(<mo form=\"prefix\">−</mo><mn>|>−)0<", html)  # −0 is 0
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)  # nothing is fetched
    anchors = re.findall(r' id="([^"]+)"', html)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(anchors)
    steps = [*layer_by_layer(d), *(neuron_by_neuron(d) if len(d.x) == 1 else ())]
    assert html.count('<div class="step ') == len(steps)


@pytest.mark.parametrize("name", ["the article", "tanh", "a batch"])
def test_a_quantity_is_marked_wherever_it_stands(name: str) -> None:
    """In the drawing, in its equation and those that use it, in its line of code, on the curve."""
    d = NETWORKS[name]
    html = page(d, 0)
    style, _, body = html.partition("</style>")
    marks = set(re.findall(r' data-q="([^"]+)"', body))
    chosen = set(re.findall(r':target\) \[data-q="([^"]+)"\]', style))
    places = set(re.findall(r'body:has\(\[id="([^"]+)"\]:target', style))
    assert places <= set(re.findall(r' id="([^"]+)"', body))
    assert marks <= chosen
    if name == "the article":
        line = '<span class="line" id="scalars-13" data-q="net_h1">        net_h1 = w1 * i1'
        assert line in body
        for part in ('<a href="#net_h1" data-q="net_h1" class="net"><text', 'id="net_h1"'):
            assert part in body


@pytest.mark.parametrize("name", ["the article", "tanh", "relu", "linear"])
def test_a_slope_is_found_by_trying_as_well(name: str) -> None:
    d = NETWORKS[name]
    rows = rows_of(d, values_by_hand(d), values_by_autograd(d), scalar=True, first=True)
    tried = [row for row in rows if row.tried is not None]
    kinds = {row.equation.kind for row in tried}
    assert kinds == ({"by w", "by shared b"} if d.article else {"by w", "by b"})
    for row in tried:
        assert row.tried == pytest.approx(row.mine, rel=1e-6, abs=1e-9), row.equation
    html = page(d, 0)
    assert html.count("by trying <b>") == len(tried)


def test_the_fall_of_the_error_and_what_the_slopes_say() -> None:
    """Small steps fall by η Σ (∂E/∂w)²."""
    d = drawn_network((3, 4, 2), "Tanh", "mse", 3, lr=1e-5)
    values = values_by_hand(d)
    said = {key: float(value.replace("−", "-")) for key, value in fall(d, values).items()}
    squares = sum((values[f"d{key}"] ** 2).sum() for key in ("W1", "b1", "W2", "b2"))
    assert said["expected"] == pytest.approx(1e-5 * squares, rel=1e-7)
    assert said["fell"] == pytest.approx(said["expected"], rel=1e-3)
    article = values_by_hand(the_article())
    by_weights = 0.5 * sum((article[f"dW{i}"] ** 2).sum() for i in (1, 2))
    assert float(fall(the_article(), article)["expected"]) == pytest.approx(by_weights, rel=1e-7)


def test_one_view_or_all_unfolded() -> None:
    d = the_article()
    neurons, matrices, full = page(d, 0, "neurons"), page(d, 0, "matrices"), page(d, 0, full=True)
    assert ('id="net_h1"' in neurons, 'id="net_h"' in neurons) == (True, False)
    assert ('id="net_h1"' in matrices, 'id="net_h"' in matrices) == (False, True)
    assert "<details" in full
    assert not re.search(r"<details(?![^>]* open)", full)
    assert re.search(r"<details(?![^>]* open)", page(d, 0))


def test_a_rate_that_is_too_large_ends_the_curve() -> None:
    d = drawn_network((2, 3, 1), "ReLU", "mse", 1, lr=1e4)
    over = over_rounds(d, 0)
    assert len(over.errors) < 100
    assert len(over.errors) > over.shown[-1].number
    assert "The curve ends where the numbers do" in page(d, 0)
    assert "The curve ends where the numbers do" not in page(NETWORKS["relu"], 0)


@pytest.mark.parametrize("name", ["Linear", "Tanh", "CrossEntropyLoss", "Adam", "MLP", "StepLR"])
def test_a_class_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    shown = capsys.readouterr().out
    first = (getattr(manual, name).__doc__ or "").splitlines()[0]
    assert first in shown
    assert "its twin: torch" in shown
    assert "def " in shown
    if name in ("Linear", "Tanh", "CrossEntropyLoss"):
        assert "def backward" in shown
        assert "gradient  input 0" in shown
        assert "DISAGREES" not in shown


def test_a_derivation_is_found_where_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """A class's own, its bases' and that at the head of a file; and all of its mathematics."""
    for name, parts in {
        "Conv2d": ["From ForwardConvolution:", "∂L/∂Wₒ_c[k] = Σₙ Σₚ gₙₒ[p] xₙ_c[p·s + k·d]"],
        "LSTM": [
            "From LSTMStep:",
            "From the head of manual/layers/recurrent.py:",
            "def step_back(",
        ],
        "LayerNorm": ["From the head of manual/layers/normalization.py:", "through the variance  "],
        "Adam": ["def update("],
        "StepLR": ["def next("],
    }.items():
        assert main(["explain", name]) == 0
        printed = capsys.readouterr().out
        assert [part for part in parts if part not in printed] == []
    assert main(["explain", "Linear"]) == 0
    assert "From " not in capsys.readouterr().out


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_steps_of_an_optimizer_are_followed(name: str) -> None:
    """Recomputed here by PyTorch alone, with its own defaults."""
    lines = optimizer_lines(OPTIMIZERS[name])
    w = torch.nn.Parameter(torch.tensor(WEIGHT, dtype=torch.float64))
    with all_in(np.dtype(np.float64)):
        optimizer = getattr(torch.optim, OPTIMIZERS[name].__name__)([w], lr=RATE)
        for number, gradient in enumerate(GRADIENTS, 1):
            w.grad = torch.tensor(gradient, dtype=torch.float64)
            optimizer.step()
            start = next(i for i, line in enumerate(lines) if line.startswith(f"step {number}"))
            after = next(i for i in range(start, len(lines)) if "weight by hand" in lines[i])
            for row, line in zip(block(w.detach().numpy()), lines[after : after + 2], strict=True):
                assert line.count(row) == 2, line  # on both sides
    assert sum("apart" in line for line in lines) == 2


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rates_of_a_schedule_are_shown(name: str) -> None:
    cls = next(getattr(manual, n) for n in manual.__all__ if n.lower() == name)
    lines, (mine, theirs) = schedule_lines(cls), rates_of(cls)
    np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    assert len({*mine}) > 1
    for number, rate in enumerate(theirs):
        assert lines[number + 1].startswith(f"step {number:2}  {rate:.6g}")


PUBLIC = [name for name in manual.__all__ if isinstance(getattr(manual, name), type)]
WITHOUT_EXAMPLE = {
    manual.Module: "only a base",
    manual.Optimizer: "only a base",
    manual.Parameter: "no formula of its own",
    manual.TorchGenerator: "no formula of its own",
    manual.ModuleList: "has no forward",
    manual.ModuleDict: "has no forward",
    manual.CTCLoss: "what PyTorch returns for it is a gradient only below a log softmax",
}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_class_can_be_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every module on an example on which both sides agree."""
    assert main(["explain", name]) == 0
    printed, made = capsys.readouterr().out, getattr(manual, name)
    assert ("An example: " in printed) == (made not in WITHOUT_EXAMPLE)
    if made not in WITHOUT_EXAMPLE and issubclass(made, manual.Module):
        verdicts = printed.partition("verdict\n")[2].partition("\n\n")[0].splitlines()
        assert verdicts
        assert all("agrees" in verdict for verdict in verdicts)


# ---- from a file, and bad input

GOOD = {
    "weights": [[[0.1, 0.2], [0.3, -0.4]], [[0.5, -0.6]]],
    "biases": [[0.1, 0.2], [0.3]],
    "x": [[1, 2]],
    "t": [[0.5]],
    "activation": "tanh",
    "loss": "mse",
    "lr": 0.2,
}


def test_a_network_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(GOOD))
    assert main(["explain", str(path)]) == 0
    assert "One step of a 2-2-1 network (Tanh, Identity; mse; η = 0.2; 1 sample)" in (
        capsys.readouterr().out
    )


def test_one_sample_may_be_a_flat_list(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**GOOD, "x": [1, 2], "t": [0.5]}))
    d = read_description(path)
    assert (d.x.tolist(), d.t.tolist()) == ([[1, 2]], [[0.5]])


@pytest.mark.parametrize("names", ["sigmoid", ["sigmoid"], "Sigmoid"])
def test_one_activation_is_that_of_the_only_layer(names: Any, tmp_path: Path) -> None:
    """Three samples, two rounds: E is computed here by NumPy alone."""
    path = tmp_path / "neuron.json"
    x, t = np.array([[1.0, 2], [2, 1], [-1, -2]]), np.array([1.0, 0, 0])
    one = {"weights": [[[0.1, -0.2]]], "biases": [[0.0]], "x": x.tolist(), "lr": 0.1}
    path.write_text(json.dumps({**one, "t": [[v] for v in t], "activation": names, "loss": "mse"}))
    w, b, errors = np.array([0.1, -0.2]), 0.0, []
    for _ in range(2):
        p = 1 / (1 + np.exp(-(x @ w + b)))
        errors.append(((p - t) ** 2).mean())
        slope = 2 * (p - t) * p * (1 - p) / 3
        w, b = w - 0.1 * slope @ x, b - 0.1 * slope.sum()
    assert [round(error, 4) for error in errors] == [0.3033, 0.2942]
    d = read_description(path)
    for steps, error in enumerate(errors):
        shown = text(d, steps, scalar=False)
        assert nine_digits(error) in shown


def test_a_network_is_written_as_a_file_to_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.json"
    words = ["explain", "--layers", "3,4,2", "--activation", "tanh", "--init", str(path)]
    assert main([word.replace(",", "-") for word in words]) == 0
    assert "written; see it by backprop explain" in capsys.readouterr().out
    d, drawn = read_description(path), drawn_network((3, 4, 2), "Tanh")
    for mine, theirs in zip((*d.weights, *d.biases, d.x, d.t), given_arrays(drawn), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (d.activations, d.loss, d.lr) == (drawn.activations, drawn.loss, drawn.lr)
    before = path.read_text()
    assert main(["explain", "--init", str(path)]) == 2  # nothing is lost
    assert "there is one already" in capsys.readouterr().err
    assert path.read_text() == before


def given_arrays(d: Description) -> tuple[np.ndarray, ...]:
    return (*d.weights, *d.biases, d.x, d.t)


def test_what_if(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--set", "w5=0.3", "i1=1", "b2=0", "η=2", "t1=-1"]) == 0
    printed = capsys.readouterr().out
    assert "0.15 · 1 + 0.2 · 0.1 + 0.35" in printed
    assert "w5⁺ = w5 − η · ∂E/∂w5\n    = 0.3 − 2 · " in printed
    assert "0.3 · " in printed
    assert "t1 − out_o1)²\n     = ½ · (−1 − " in printed
    d = with_numbers(the_article(), ["b1=7"])
    assert d.biases[0].tolist() == [7, 7]  # one for both neurons
    assert with_numbers(drawn_network((2, 3)), ["b_o2=7"]).biases[0].tolist()[1] == 7
    assert the_article().biases[0].tolist() == [0.35, 0.35]
    for change, message in {
        "w9=1": "--set w9=1: there is no w9; is it w",
        "w5": "--set w5: expected a number, as in w5=0.3",
        "w5=nan": "weights of layer 2 has a value that is not finite",
        "η=-1": "lr -1.0: expected a number above 0",
    }.items():
        assert main(["explain", "--set", change]) == 2
        printed_error = capsys.readouterr().err
        assert message in printed_error
        assert printed_error.count("\n") == 1
    assert main(["explain", "--layers", "3-2", "--samples", "2", "--set", "i1=0"]) == 2
    assert "there are 2" in capsys.readouterr().err


BAD_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "no weights": ({"weights": None}, "weights: expected a list"),
    "missing": ({"x": ...}, "there is no x"),
    "unknown": ({"w": 1}, "w is not known"),
    "ragged": ({"x": [[1, 2], [3]]}, "x: expected numbers in lists of equal length"),
    "text": ({"t": [["a"]]}, "t: expected numbers"),
    "misshapen": ({"weights": [[[0.1, 0.2]], [[0.5, -0.6]]]}, "bias of layer 1 has the shape (2,)"),
    "inputs": ({"x": [[1, 2, 3]]}, "weights of layer 1 have the shape (2, 2), expected (out, 3)"),
    "targets": ({"t": [[0.5, 0.5]]}, "t has the shape (1, 2), expected (1, 1)"),
    "NaN": ({"x": [[float("nan"), 2]]}, "x has a value that is not finite: nan"),
    "infinite": ({"biases": [[0.1, float("inf")], [0.3]]}, "bias of layer 1 has a value that is"),
    "class": ({"loss": "cross-entropy", "t": [3]}, "t has the class 3, expected 0 to 0"),
    "classes": ({"loss": "cross-entropy", "t": [[0.5]]}, "expected 1 classes"),
    "loss": ({"loss": "hinge"}, "loss 'hinge': expected one of"),
    "activation": ({"activation": "softmax"}, "activation: there is no activation 'softmax', only"),
    "prelu": ({"activation": "prelu"}, "PReLU has a weight of its own"),
    "lr": ({"lr": -1}, "lr -1.0: expected a number above 0"),
    "a text lr": ({"lr": "x"}, "lr: expected a number"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_gets_one_line(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = BAD_FILES[what]
    given = {k: v for k, v in {**GOOD, **change}.items() if v is not ...}
    path = tmp_path / "net.json"
    path.write_text(json.dumps(given))
    out = tmp_path / "page.html"
    assert main(["explain", str(path), "--html", str(out)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not out.exists()


BAD_WORDS = {
    "one layer": (["--layers", "0"], "expected at least two widths"),
    "no width": (["--layers", "3-0-2"], "expected at least two widths"),
    "no number": (
        ["--layers", "3-x"],
        "argument --layers: expected widths, as in 128,64, not '3-x'",
    ),
    "too wide": (["--layers", "3-999-2"], "at most 64 are written out"),
    "activation": (["--layers", "3-2", "--activation", "soft"], "no activation 'soft'"),
    "loss": (["--layers", "3-2", "--loss", "hinge"], "invalid choice"),
    "samples": (["--layers", "3-2", "--samples", "0"], "expected (samples, inputs)"),
    "no layers": (["--activation", "tanh"], "--activation needs --layers"),
    "no class": (["Lineal"], "there is no class Lineal; is it Linear"),
    "two classes": (["conv1d"], "there is no class conv1d; is it Conv1D or Conv1d"),
    "no file": (["net.json"], "net.json: there is no such file"),
    "both": (["net.json", "--layers", "3-2"], "--layers is not taken with it"),
    "class and step": (["Linear", "--step", "1"], "are for networks"),
    "no class's page": (["Lineal", "--html", "x.html"], "there is no class Lineal; is it Linear"),
    "class's page": (["Linear", "--html", "/nowhere/at/all.html"], "cannot be written"),
    "many": (["--layers", "3-2", "--samples", "4", "--view", "neurons"], "only one sample"),
    "steps": (["--step", "900000"], "expected at most 20,000"),
    "all of nothing": (["--full"], "--full is for --html"),
    "class and set": (["Linear", "--set", "w5=1"], "are for networks"),
    "too deep": (["--layers", "-".join("2" * 15)], "13 hidden layers: at most 12 are written out"),
    "page": (["--html", "/nowhere/at/all.html"], "cannot be written"),
}


TYPED = {
    "widths": (["--layers", "3-4-2"], ["--layers", "3,4,2"]),
    "activation": (
        ["--layers", "3-4-2", "--activation", "leakyrelu"],
        ["--layers", "3-4-2", "--activation", "LeakyReLU"],
    ),
    "loss": (
        ["--layers", "3-4-2", "--loss", "cross-entropy"],
        ["--layers", "3-4-2", "--loss", "CrossEntropyLoss"],
    ),
    "class": (["Linear"], ["linear"]),
}


@pytest.mark.parametrize("what", TYPED)
def test_names_are_taken_as_they_are_typed(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for words in TYPED[what]:
        assert main(["explain", *words]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


@pytest.mark.parametrize("what", BAD_WORDS)
def test_bad_words_get_one_line(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, message = BAD_WORDS[what]
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["explain", *words])
    except SystemExit as error:
        code = int(error.code or 0)
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_page_in_the_place_of_a_directory_is_not_written(tmp_path: Path) -> None:
    assert main(["explain", "--html", str(tmp_path)]) == 2
    assert not list(tmp_path.iterdir())


def test_losses_have_one_name_everywhere() -> None:
    from torch_ref.models import losses

    assert tuple(LOSSES) == tuple(losses.LOSSES)
    with pytest.raises(DescriptionError):
        drawn_network((3, 2), loss="hinge")
