"""What is refused, and with which words: every `raise` that no other test provokes.

`python -m tests.raises` lists those that none does. Bounds are in test_bounds.py.
"""

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_flatten

import manual
from manual.activations import Elementwise
from manual.losses import PairwiseLoss
from manual.walkthrough import DescriptionError, checked, drawn, the_article
from manual.worked_example import ArticleNetwork
from torch_ref import cli, loading, recording
from torch_ref.candidates import Candidate
from torch_ref.checking import check
from torch_ref.cli import main
from torch_ref.explain import WIDEST, written_out
from torch_ref.judge import truth
from torch_ref.layouts import CandidateError
from torch_ref.one_pass import one_pass
from torch_ref.plugin import pytest_configure
from torch_ref.tape import Op
from torch_ref.twin import to_torch, twin_of

Array = np.ndarray
X = np.arange(15.0).reshape(5, 3) / 8 - 1
ROWS = X[:3]
FAULTY = str(Path(__file__).with_name("faulty.py"))
Capture = pytest.CaptureFixture[str]


def one_wrong(value: Any, dtype: Any = np.float64) -> Array:
    """Ones, and one other value among them."""
    return np.array([1, 1, value, 1, 1], dtype)


# ---- by hand


class Bare(Elementwise):
    """One that gives nothing."""


class Unfinished(PairwiseLoss):
    """A loss without a formula."""


class NoSlope(Unfinished):
    """A loss without its derivative."""

    def loss(self, x: Array, t: Array) -> Array:
        return x - t


class Halfway(manual.Module):
    """A module without its backward."""

    def forward(self, x: Array) -> Array:
        return x


def backward_of(module: manual.Module, *inputs: Any) -> Callable[[], Any]:
    """One pass, forward and back."""
    return lambda: module.backward(np.ones_like(module(*inputs)))


# What is done, the error, what it says
BY_HAND: dict[str, tuple[Callable[[], Any], type, str]] = {
    "a module without forward": (
        lambda: manual.Module()(X),
        NotImplementedError,
        "Module has no forward",
    ),
    "a module without backward": (
        backward_of(Halfway(), X),
        NotImplementedError,
        "Halfway has no backward",
    ),
    "an activation without a value": (
        lambda: Bare()(X),
        NotImplementedError,
        "Bare has no value",
    ),
    "an activation without a derivative": (
        lambda: Bare().derivative(X, X),
        NotImplementedError,
        "Bare has no derivative",
    ),
    "a loss without its formula": (
        lambda: Unfinished()(X, X),
        NotImplementedError,
        "Unfinished has no loss",
    ),
    "a loss without its slope": (
        backward_of(NoSlope("none"), X, X),
        NotImplementedError,
        "NoSlope has no slope",
    ),
    "arguments of a Sequential": (
        lambda: manual.Sequential(manual.Tanh()).arguments(),
        NotImplementedError,
        "Sequential has no named arguments: iterate over its modules",
    ),
    "a module among numbers": (
        lambda: manual.Sequential(manual.Tanh(), 2.0, manual.Tanh()),
        TypeError,
        "Sequential: got a float, expected modules",
    ),
    "batches that do not match": (
        lambda: manual.Bilinear(3, 3, 2, dtype=np.float64)(X, X[:4]),
        ValueError,
        r"Bilinear\(3, 3, 2, .*\): inputs of shapes \(5, 3\) and \(4, 3\) do not match",
    ),
    "a class to ignore among probabilities": (
        lambda: manual.CrossEntropyLoss(ignore_index=1)(ROWS, np.eye(3)),
        ValueError,
        "ignore_index is 1, which names a class, and the target has probabilities",
    ),
    "one probability below 0": (
        lambda: manual.CrossEntropyLoss()(ROWS, np.eye(3) - 0.25 * (ROWS == ROWS[0, 1])),
        ValueError,
        "target has values from -0.25 to 1.0, expected 0 or more",
    ),
    "one probability above 1": (
        lambda: manual.BCELoss()(one_wrong(1.5), one_wrong(1)),
        ValueError,
        r"BCELoss\(\): input has values from 1.0 to 1.5, expected 0 to 1",
    ),
    "one outcome above 1": (
        lambda: manual.BCELoss()(one_wrong(0), one_wrong(1.5)),
        ValueError,
        r"BCELoss\(\): target has values from 1.0 to 1.5, expected 0 to 1",
    ),
    "one probability that is none": (
        lambda: manual.BCELoss()(one_wrong(np.nan), one_wrong(1)),
        ValueError,
        r"BCELoss\(\): input has values from nan to nan, expected 0 to 1",
    ),
    "a probability just above 1, in all its digits": (
        lambda: manual.BCELoss()(*[one_wrong(np.nextafter(np.float32(1), 2), np.float32)] * 2),
        ValueError,
        r"input has values from 1.0 to 1.0000001, expected 0 to 1",
    ),
    "one variance below 0": (
        lambda: manual.GaussianNLLLoss()(one_wrong(0), one_wrong(0), one_wrong(-0.5)),
        ValueError,
        "var has values from -0.5 to 1.0, expected 0 or more",
    ),
    "one sign of 0": (
        lambda: manual.HingeEmbeddingLoss()(one_wrong(2), one_wrong(0, int)),
        ValueError,
        r"HingeEmbeddingLoss\(\): target has other values than 1 and -1",
    ),
    "one sign of 0 among cosines": (
        lambda: manual.CosineEmbeddingLoss()(X, X, one_wrong(0)),
        ValueError,
        r"CosineEmbeddingLoss\(\): target has other values than 1 and -1",
    ),
    "one row that is not there": (
        lambda: manual.Embedding(4, 2)(one_wrong(-1, int).reshape(5, 1)),
        IndexError,
        r"Embedding\(4, 2\): input has -1 at \[2, 0\], expected 0 to 3",
    ),
    "one class that is not there": (
        lambda: manual.NLLLoss()(X, one_wrong(-1, int)),
        IndexError,
        r"NLLLoss\(\): target has -1 at \[2\], expected 0 to 2",
    ),
    "one class that is not there, by its pixel": (
        lambda: manual.CrossEntropyLoss()(np.ones((1, 3, 5)), one_wrong(3, int)[np.newaxis]),
        IndexError,
        r"target has 3 at \[0, 2\], expected 0 to 2",
    ),
    "targets in one axis, one too few": (
        lambda: manual.CTCLoss()(-np.ones((4, 2, 3)), np.array([1, 2]), [4, 4], [1, 2]),
        ValueError,
        r"CTCLoss\(\): targets of shape \(2,\), expected \(3,\)",
    ),
    "one label that is not there": (
        lambda: manual.CTCLoss()(-np.ones((4, 2, 3)), np.array([1, 2, -1]), [4, 4], [1, 2]),
        IndexError,
        r"CTCLoss\(\): target 1 has -1 at \[1\], expected 0 to 2",
    ),
    "biases of no kind": (
        lambda: ArticleNetwork(biases="frozen"),
        ValueError,
        "biases is 'frozen', expected one of fixed, trained, shared",
    ),
    "an activation of no kind": (
        lambda: drawn((3, 2, 1), "Soft"),
        DescriptionError,
        "activation: there is no activation 'Soft', only Identity, CELU",
    ),
    "a layer without a bias": (
        lambda: checked(replace(the_article(), biases=the_article().biases[:1])),
        DescriptionError,
        "for each layer, not 2 weights, 1 biases and 2 activations",
    ),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_by_hand_it_is_refused(what: str) -> None:
    do, error, message = BY_HAND[what]
    with pytest.raises(error, match=message):
        do()


# ---- someone's code


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


def linear() -> torch.nn.Linear:
    return torch.nn.Linear(3, 4, dtype=torch.float64)


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
        r"raising: forward raised ValueError at test_refusals.py:\d+: not yet",
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


@pytest.mark.parametrize("method", ["load", "forward", "backward"])
def test_a_form_of_code_that_is_not_finished(method: str) -> None:
    with pytest.raises(NotImplementedError, match=f"Candidate has no {method}"):
        getattr(Candidate("none", {}, []), method)({})


# ---- the parts of the instrument


class Own(manual.Tanh):
    """A class that PyTorch has not."""


CONSTANT = torch.ones(3, dtype=torch.float64)


def stirring(x: torch.Tensor) -> torch.Tensor:
    """Changes a constant behind PyTorch's back."""
    CONSTANT.mul_(1).numpy()[0] += 5
    return x * CONSTANT


def out_of_memory(x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("out of memory")


def op(function: Any) -> Op:
    """An operation on one number."""
    flat, spec = tree_flatten(((torch.ones(1),), {}))
    return Op(function, flat, spec, [], "")


PARTS: dict[str, tuple[Callable[[], Any], type, str]] = {
    "a dtype that is not compared": (
        lambda: to_torch(np.dtype(np.float16)),
        TypeError,
        "dtype is float16, expected float32 or float64",
    ),
    "a class without a twin": (
        lambda: twin_of(Own()),
        NotImplementedError,
        "Own has no twin in torch_ref.models or torch.nn",
    ),
    "a pass on inputs that do not fit": (
        lambda: one_pass(linear(), [X[:, :2]], [np.ones((5, 4))]),
        RuntimeError,
        "shapes cannot be multiplied",
    ),
    "a change behind the tape's back": (
        lambda: recording.record(stirring, [to_torch(X)]),
        NotImplementedError,
        "the reference changes a constant in place through a view of it",
    ),
    "an operation that only works in place": (
        lambda: recording._functional(torch.ops.aten.fill_diagonal_.default),
        NotImplementedError,
        "the reference uses aten.fill_diagonal_.default, which changes its argument",
    ),
    "an operation that fails": (
        lambda: op(out_of_memory).drop_undifferentiable(),
        RuntimeError,
        "out of memory",
    ),
    "a report in no directory": (
        lambda: pytest_configure(
            SimpleNamespace(stash={}, getoption=lambda *names: "/nowhere/at/all.json")  # type: ignore[arg-type]
        ),
        pytest.UsageError,
        "--parity-report /nowhere/at/all.json: there is no such directory",
    ),
}


@pytest.mark.parametrize("what", PARTS)
def test_a_part_refuses(what: str) -> None:
    do, error, message = PARTS[what]
    with pytest.raises(error, match=message):
        do()


def test_nothing_is_judged_where_there_is_no_wider_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch_ref.judge.CAN_JUDGE", False)
    with pytest.raises(RuntimeError, match="longdouble is float64 on this platform: it cannot"):
        truth(manual.Tanh(), [X], [X])


# ---- the command line: code 2, and one line that says why


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with files that are of no use, to be in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").write_text("")
    (tmp_path / "mine.txt").write_text("class Linear: pass")
    (tmp_path / "list.json").write_text("[1]")
    network = {"weights": [[[1.0]]], "biases": [[0.5]], "x": [[1.0]], "t": [[1.0]]}
    (tmp_path / "numbered.json").write_text(json.dumps({**network, "activation": 3}))
    (tmp_path / "mixed.json").write_text(json.dumps({**network, "activation": ["tanh", 3]}))
    with (tmp_path / "several.npy").open("wb") as file:
        np.savez(file, a=X, b=X)
    np.save(tmp_path / "five.npy", X)
    return tmp_path


LINEAR = "--against torch.nn.Linear --args 3 4"
WORDS = {
    "nonsense": "invalid choice: 'nonsense'",
    "train": "required: EXPERIMENT",
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
    f"check {FAULTY}:Linear --input 5,3": "required: --against",
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
    monkeypatch.setattr(loading, limit, size - 1)
    assert message in refusal(words, capsys)
    monkeypatch.setattr(loading, limit, size)
    assert loading.read_array(files / "five.npy", "five").shape == X.shape
    assert loading.read_json(files / "list.json") == [1]


def test_the_command_lines_numbers_on_their_bounds() -> None:
    assert (cli.count("0"), cli.count("1000000")) == (0, 10**6)
    assert cli.learning_rate("1e-300") == 1e-300
    for words in ("xor --lr 0", "xor --steps 1 --batch-size 4 --hidden 1 --seed 0"):
        settings = cli.settings_from(cli.parser().parse_args(["train", *words.split()]))
        assert cli.EXPERIMENTS["xor"].build(settings).data.x.shape == (4, 2)


def test_the_widest_layer_that_is_written_out() -> None:
    written_out(drawn((2, WIDEST, 1)), scalar=True)
    with pytest.raises(DescriptionError, match="a layer of 65: at most 64 are written out"):
        written_out(drawn((2, WIDEST + 1, 1)), scalar=True)


def test_the_package_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "argv", ["torch_ref", "list"])
    monkeypatch.delitem(sys.modules, "torch_ref.__main__", raising=False)
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module("torch_ref.__main__")
    assert stopped.value.code == 0
    assert "worked-example" in capsys.readouterr().out
