"""The walkthrough: every quantity by hand and by autograd, on the terminal and as a page."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
from torch_ref.explaining.page import page
from torch_ref.explaining.rows import both_after, nine_digits, rows_of, values_by_autograd
from torch_ref.explaining.terminal import text

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
z₁ = x · W₁ᵀ + b₁
a₁ = tanh( z₁ )
z₂ = a₁ · W₂ᵀ + b₂
a₂ = z₂
p = softmax( a₂ )
L = − Σ log p of the class in t / 1
∂L/∂a₂ = ( p − [1 at the class in t ] ) / 1
∂L/∂z₂ = ∂L/∂a₂
∂L/∂W₂ = (∂L/∂z₂)ᵀ · a₁
∂L/∂b₂ = Σ over samples of ∂L/∂z₂
∂L/∂a₁ = ∂L/∂z₂ · W₂
∂L/∂z₁ = ∂L/∂a₁ ∘ f′(z₁)
∂L/∂W₁ = (∂L/∂z₁)ᵀ · x
∂L/∂b₁ = Σ over samples of ∂L/∂z₁
W₁⁺ = W₁ − η · ∂L/∂W₁
b₁⁺ = b₁ − η · ∂L/∂b₁
W₂⁺ = W₂ − η · ∂L/∂W₂
b₂⁺ = b₂ − η · ∂L/∂b₂
L⁺ = the loss with the new weights
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
        "L = Σ ( a₃ − t )² / 2",
        "∂L/∂a₃ = 2 ( a₃ − t ) / 2",
        "∂L/∂z₃ = ∂L/∂a₃",
        "∂L/∂z₂ = ∂L/∂a₂ ∘ f′(z₂)",
        "W₃⁺ = W₃ − η · ∂L/∂W₃",
    } <= {*written(layer_by_layer(NETWORKS["relu"]))}
    article = written(layer_by_layer(NETWORKS["the article"]))
    assert {"L = ½ Σ ( t − a₂ )²", "∂L/∂a₂ = a₂ − t"} <= {*article}
    assert not [line for line in article if line.startswith("b₁⁺")]  # its biases are held fixed


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
    for index, row in enumerate(rows):
        for side, value in (("mine", row.mine), ("theirs", row.theirs)):
            shown = re.search(f'data-key="n{index}" data-side="{side}">([^<]*)<', html)
            assert shown is not None
            assert shown.group(1) == nine_digits(float(value))
    assert "nan" not in html.lower().replace("finance", "")
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)  # nothing is fetched
    for anchor in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{anchor}"' in html
    steps = [*layer_by_layer(d), *(neuron_by_neuron(d) if len(d.x) == 1 else ())]
    assert html.count('<div class="step"') == len(steps)


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


PUBLIC = [name for name in manual.__all__ if isinstance(getattr(manual, name), type)]
WITHOUT_EXAMPLE = {  # modules
    manual.Module: "only a base",
    manual.ModuleList: "has no forward",
    manual.ModuleDict: "has no forward",
    manual.CTCLoss: "what PyTorch returns for it is a gradient only below a log softmax",
}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_class_can_be_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every module on an example on which both sides agree."""
    assert main(["explain", name]) == 0
    printed, made = capsys.readouterr().out, getattr(manual, name)
    with_example = issubclass(made, manual.Module) and made not in WITHOUT_EXAMPLE
    assert ("An example: " in printed) == with_example
    if with_example:
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
