"""Someone's code, references and words on the command line that cannot be used: one line says why.

Each is a `raise` that no other test provokes, see test_refusals.py.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.article.description import DescriptionError, drawn_network
from torch_ref import cli, safe_files
from torch_ref.checking.check import check
from torch_ref.checking.layouts import CandidateError
from torch_ref.cli import main
from torch_ref.commands import options
from torch_ref.commands.settings import settings_from
from torch_ref.explaining.rows import WIDEST
from torch_ref.explaining.terminal import check_showable
from torch_ref.training.experiments import EXPERIMENTS

Array = np.ndarray
X = np.arange(15.0).reshape(5, 3) / 8 - 1
FAULTY = str(Path(__file__).with_name("faulty.py"))
Capture = pytest.CaptureFixture[str]


# ---- someone's code


def linear() -> torch.nn.Linear:
    return torch.nn.Linear(3, 4, dtype=torch.float64)


class Mine:
    """x W + b, with whatever arrays it is given."""

    def __init__(self, **arrays: Array) -> None:
        vars(self).update(arrays)

    def forward(self, x: Array) -> Any:
        return x @ vars(self)["W"] + vars(self)["b"]

    def backward(self, dy: Array) -> Any:
        return dy @ vars(self)["W"].T


class Twofold(Mine):
    def forward(self, x: Array) -> Any:
        return super().forward(x), x


class Forward:
    def forward(self, x: Array) -> Array:
        return x


class Forgetful(manual.Linear):
    """Its backward leaves the parameters' gradients out."""

    def backward(self, g: Array) -> Array:
        self.take_saved(g)
        return g @ self.weight.data


class Detached(torch.nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input).detach()


class NoBias(torch.autograd.Function):
    """It gives no gradient of the bias."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, b: Any) -> Any:
        ctx.save_for_backward(x, w)
        return x @ w.T + b

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, w = ctx.saved_tensors
        return grads[0] @ w, grads[0].T @ x, None


class Formless(torch.nn.Module):
    """A reference without a forward."""


def forward(x: Array, w: Array, b: Array) -> Any:
    return x @ w.T + b, (x, w)


def backward(dy: Array, cache: Any) -> Any:
    return dy @ cache[1]


def uncached(x: Array, w: Array, b: Array) -> Any:
    return forward(x, w, b)[0]


def raising(x: Array, w: Array, b: Array) -> Any:
    raise ValueError("not yet")


def many(x: Array, w: Array, b: Array, c: Array) -> Any:
    return forward(x, w, b)


def zeros(*shape: int) -> Array:
    return np.zeros(shape)


WHOLE = {"W": zeros(3, 4), "b": zeros(4)}
# What is checked, against which reference, on which input, what is said
CODE: dict[str, tuple[Any, Any, Array, str]] = {
    "no bias": (
        Mine(W=zeros(3, 4)),
        linear(),
        X,
        "Mine has no parameter bias: looked for bias, biases, b, beta, b1, b0; a map can name it",
    ),
    "a weight of another shape": (
        Mine(W=zeros(7, 2), b=zeros(4)),
        linear(),
        X,
        r"Mine: W has the shape \(7, 2\), weight of the reference has \(4, 3\); a map says how",
    ),
    "other parameters": (
        manual.Linear(3, 5),
        linear(),
        X,
        r"Linear: its parameters are {'weight': \(5, 3\), .*}, the reference's {'weight': \(4, 3\)",
    ),
    "no gradient of a parameter": (
        Forgetful(3, 4),
        linear(),
        X,
        "Forgetful: the gradient of weight is None",
    ),
    "an argument too many": (
        (many, backward),
        linear(),
        X,
        "many: forward takes x, w, b, c; expected 1 inputs, then one argument for each of weight, "
        "bias, or a dict of them",
    ),
    "a forward that raises": (
        (raising, backward),
        linear(),
        X,
        r"raising: forward raised ValueError at test_refused_words.py:\d+: not yet",
    ),
    "no cache": ((uncached, backward), linear(), X, r"uncached: forward must return \(y, cache\)"),
    "no gradients of parameters": (
        (forward, backward),
        linear(),
        X,
        r"forward: backward returned no gradient of weight, bias; expected \(dx, dw, db\) or",
    ),
    "an output without a gradient": (
        Detached(3, 4, dtype=torch.float64),
        linear(),
        X,
        "Detached: its output has no gradient",
    ),
    "no gradient of one parameter": (
        NoBias,
        linear(),
        X,
        "NoBias: the gradient of bias is None",
    ),
    "no backward": (Forward(), torch.nn.Tanh(), X, "Forward cannot be checked: expected an object"),
    "a class": (Mine, linear(), X, "the class Mine cannot be checked: expected an object"),
    "two outputs": (
        Twofold(**WHOLE),
        linear(),
        X,
        "Twofold: forward returned 2 outputs, expected 1",
    ),
    "a reference that is a class": (
        Mine(**WHOLE),
        torch.nn.Linear,
        X,
        "the reference is the class Linear: expected an object",
    ),
    "half precision": (
        Mine(**WHOLE),
        linear(),
        X.astype(np.float16),
        "inputs in float16: PyTorch is checked in float32, float64",
    ),
    "an empty input": (Mine(**WHOLE), linear(), X[:0], "input 0 is empty: nothing can be checked"),
    "a reference of constants": (
        manual.Tanh(),
        lambda x: torch.ones(5, 3),
        X,
        "the reference has no gradient: its output depends on no input",
    ),
    "a reference that is not finite for one": (
        manual.Tanh(),
        torch.log,
        np.where(X == X.max(), -1.0, 2.0),
        "the reference itself is not finite on these inputs",
    ),
    "a reference without forward": (
        manual.Tanh(),
        Formless(),
        X,
        r"Formless does not take these inputs \(NotImplementedError: .*missing the required",
    ),
    "a reference for other numbers": (
        manual.Tanh(),
        torch.bitwise_not,
        X,
        r"bitwise_not does not take these inputs \(NotImplementedError: ",
    ),
}


@pytest.mark.parametrize("what", CODE)
def test_code_that_cannot_be_checked_is_refused(what: str) -> None:
    mine, reference, x, message = CODE[what]
    with pytest.raises(CandidateError, match=message):
        check(mine, reference, x)


# ---- the command line: code 2, and one line that says why

KEEPING = """
import torch
kept = torch.zeros(3, dtype=torch.float64)
def reference(x):
    kept.copy_(x[0].detach())
    return torch.tanh(x)
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with files that are of no use, to be in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").write_text("")
    (tmp_path / "mine.txt").write_text("class Linear: pass")
    (tmp_path / "keeping.py").write_text(KEEPING)
    (tmp_path / "list.json").write_text("[1]")
    network = {"weights": [[[1.0]]], "biases": [[0.5]], "x": [[1.0]], "t": [[1.0]]}
    (tmp_path / "numbered.json").write_text(json.dumps({**network, "activation": 3}))
    (tmp_path / "mixed.json").write_text(json.dumps({**network, "activation": ["tanh", 3]}))
    (tmp_path / "losses.json").write_text(json.dumps({**network, "loss": ["mse"]}))
    (tmp_path / "huge.json").write_text(json.dumps({**network, "lr": 10**400}))
    (tmp_path / "text.json").write_text(json.dumps({**network, "x": [[1, "2"]]}))
    with (tmp_path / "several.npy").open("wb") as file:
        np.savez(file, a=X, b=X)
    np.save(tmp_path / "five.npy", X)
    return tmp_path


LINEAR = "--against torch.nn.Linear --args 3 4"
WORDS = {
    "nonsense": "invalid choice: 'nonsense'",
    "train": "expected an experiment, data of your own, or --resume RUN",
    "train xor --compare both": "--compare both: expected one of trajectory, steps",
    "train xor --biases fixed": "--biases fixed: only worked-example has a choice of biases",
    "train worked-example --biases none": "--biases none: expected one of fixed, trained, shared",
    "train xor --steps 1 --logdir a_file/runs": "--logdir a_file/runs: Not a directory",
    "train xor --steps 1 --logdir a_file": "--logdir a_file: File exists",
    "board --logdir none": "--logdir none: there is no such directory yet",
    "board --logdir . --port 0": "--port 0: expected 1 to 65535",
    "board --logdir . --port 65536": "--port 65536: expected 1 to 65535",
    "board --port x": "expected a number from 0 to 1,000,000, not 'x'",
    "check": "required: FILE:NAME",
    f"check {FAULTY}:Linear --input 5,3": "missing 2 required positional arguments: 'n' and 'm'",
    f"check {FAULTY}:Linear --against math.pi --input 5,3": (
        "math.pi is a float, expected a module or function"
    ),
    f"check {FAULTY}:Linear {LINEAR} --input 3 --loss cross-entropy": (
        "--loss cross-entropy: expected an output of (samples, classes)"
    ),
    f"check {FAULTY}:Linear {LINEAR} --input 5,3 --map weight=3x": (
        "map '3x': expected NAME, as in W, W.T, Wx.T@ifog, weight:grad_weight"
    ),
    f"check {FAULTY}:Linear {LINEAR} --input 5,3 --map weight=": "map '': expected NAME",
    f"check ./mine.txt:Linear {LINEAR} --input 5,3": "mine.txt: not a Python file",
    f"check {FAULTY}:Tanh --against torch.tanh --args 3 --input 5,3": (
        "tanh is no class: it takes no --args"
    ),
    f"check {FAULTY}:Tanh --against torch.tanh --input several.npy": (
        "several.npy: expected one .npy array"
    ),
    f"check {FAULTY}:Tanh --against torch.log --input 5,3": (
        "the reference itself is not finite on these inputs"
    ),
    f"check {FAULTY}:Tanh --against torch.bitwise_not --input 5,3": (
        "bitwise_not does not take these inputs (NotImplementedError"
    ),
    f"check {FAULTY}:Tanh --against torch.tanh --input 5,3 --lr 0": (
        "expected a number above 0, not '0'"
    ),
    f"check {FAULTY}:Tanh --against torch.tanh --input 5,3 --seed 1000001": (
        "expected a number from 0 to 1,000,000, not '1000001'"
    ),
    "bundle torch.nn.Tanh --input 5,3": "required: --out",
    "bundle torch.nn.Tanh --out out": "--input: expected at least one, as in --input 5,3",
    "explain list.json": "list.json: expected an object with weights, biases, x and t",
    "explain numbered.json": "numbered.json: activation: expected a name, or one for each layer",
    "explain mixed.json": "mixed.json: activation: expected a name, or one for each layer",
    "explain losses.json": "explain: losses.json: loss: expected a name, not ['mse']",
    "explain --layers 100000-100000": "a layer of 100000: at most 64 are written out",
    "train digits-mlp --hidden 1000000000": "one layer's weights would take 7 GiB",
    "train iris --layers 50000,50000": "one layer's weights would take 19 GiB",
    "train xor --dtype float32 --lr 1e39": "--lr 1e+39: expected at most 3.4e+38",
    f"check {FAULTY}:Tanh --against torch.tanh --input {'1,' * 102}": "102 axes, at most 32",
    "explain huge.json": "explain: huge.json: not readable as JSON (10000000000",
    "explain text.json": "explain: text.json: x: expected numbers in lists of equal length",
    "explain --step 20001": "--step 20001: expected at most 20,000",
}


def refusal(words: str, capsys: Capture) -> str:
    """The one line that a command ends with."""
    try:
        code = main(words.split())
    except SystemExit as stopped:  # argparse's own way out
        code = int(stopped.code or 0)
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("words", WORDS)
def test_a_command_is_refused_in_one_line(words: str, files: Path, capsys: Capture) -> None:
    before = sorted(files.iterdir())
    error = refusal(words, capsys)
    assert error.startswith("backprop")
    assert WORDS[words] in error
    assert sorted(files.iterdir()) == before


# An array's elements, a JSON file's bytes: the limit, a command, what it says past the limit
FILE_LIMITS = [
    (
        "LARGEST",
        X.size,
        f"check {FAULTY}:Tanh --against torch.tanh --input five.npy",
        "15 elements",
    ),
    ("JSON_LIMIT", 3, "explain list.json", "list.json: larger than 2 bytes"),
]


@pytest.mark.parametrize(("limit", "size", "words", "message"), FILE_LIMITS)
def test_a_file_past_a_limit_is_not_read(
    limit: str,
    size: int,
    words: str,
    message: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.setattr(safe_files, limit, size - 1)
    assert message in refusal(words, capsys)
    monkeypatch.setattr(safe_files, limit, size)
    assert safe_files.read_array(files / "five.npy", "five").shape == X.shape
    assert safe_files.read_json(files / "list.json") == [1]


def test_a_reference_that_cannot_be_followed(files: Path, capsys: Capture) -> None:
    """Its gradient is checked all the same; a bundle's order is not known."""
    name = "./keeping.py:reference"
    assert main(["check", f"{FAULTY}:Tanh", "--against", name, "--input", "5,3"]) == 0
    assert main(["bundle", name, "--input", "5,3", "--out", "out"]) == 0
    capsys.readouterr()
    assert "the reference cannot be followed" in refusal(f"check out --against {name}", capsys)


def test_the_command_lines_numbers_on_their_bounds() -> None:
    assert (options.count("0"), options.count("1000000")) == (0, 10**6)
    assert options.learning_rate("1e-300") == 1e-300
    for words in ("xor --lr 0", "xor --steps 1 --batch-size 4 --hidden 1 --seed 0"):
        settings = settings_from(cli.parse(["train", *words.split()]), EXPERIMENTS["xor"])
        assert EXPERIMENTS["xor"].build(settings).data.x.shape == (4, 2)


def test_the_widest_layer_that_is_written_out() -> None:
    check_showable(drawn_network((2, WIDEST, 1)), scalar=True)
    with pytest.raises(DescriptionError, match="a layer of 65: at most 64 are written out"):
        check_showable(drawn_network((2, WIDEST + 1, 1)), scalar=True)


def test_the_package_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "argv", ["torch_ref", "list"])
    monkeypatch.delitem(sys.modules, "torch_ref.__main__", raising=False)
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module("torch_ref.__main__")
    assert stopped.value.code == 0
    assert "worked-example" in capsys.readouterr().out
