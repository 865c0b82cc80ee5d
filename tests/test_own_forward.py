"""Code checked against its own forward pass: right code in many styles, mistakes, what is kept."""

import builtins
import importlib.util
import math
import random
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._numpy import _ndarray

from tests import own_styles as styles
from torch_ref.checking import CandidateError, check_own
from torch_ref.checking.own import check_both
from torch_ref.checking.own.arrays import UntraceableError
from torch_ref.checking.own.matching import Given, Leaf, Source, match
from torch_ref.checking.own.readings import readings_of
from torch_ref.checking.own.tracing import trace
from torch_ref.cli import main

SOURCE = Path(styles.__file__).read_text("utf-8")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def below(most: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, most, size=shape)


CONV = (normal(2, 2, 3, 4), normal(2, 2, 3, 3), normal(2))
RNN = (normal(2, 4, 3), normal(2, 5), normal(3, 5), normal(5, 5), normal(5))
QKV = (normal(2, 4, 3), normal(2, 4, 3, seed=1), normal(2, 4, 3, seed=2))
CHANCES = (np.random.default_rng(0).uniform(0.1, 0.9, size=(5, 3)), below(3, 5))
X = (normal(5, 3),)
# Name (and constructor arguments): inputs, and the gradients that are judged.
RIGHT: dict[str, tuple[tuple[Any, ...], str]] = {
    "affine_forward,affine_backward": ((*X, normal(3, 4), normal(4)), "input 0 1 2"),
    "batchnorm_forward,batchnorm_backward": ((*X, normal(3), normal(3, seed=1)), "input 0 1 2"),
    "conv_forward_naive,conv_backward_naive": (CONV, "input 0 1 2"),
    "rnn_forward,rnn_backward": (RNN, "input 0 1 2 3 4"),
    "linear_activation_forward,linear_activation_backward": (
        (normal(3, 5), normal(4, 3), normal(4, 1)),
        "input 0 1 2",
    ),
    "softmax_loss": ((*X, below(3, 5)), "input 0"),
    "mse,mse_prime": ((*X, normal(5, 3, seed=1)), "input 0"),
    "LayerDense 3 4": (X, "input 0, weights, biases"),
    "ActivationReLU": (X, "input 0"),
    "CrossEntropy": (CHANCES, "input 0"),
    "CrossEntropyOfOutput": (CHANCES, "input 0"),
    "Updating 3 4": ((normal(3, 5),), "input 0, weights, bias"),
    "InDicts 4": (X, "input 0, params.W, params.b"),
    "WithParameters 3 4": (X, "input 0, W, B"),
    "Affine": (X, "input 0, W, b"),
    "Sequential": (
        X,
        "layers.0.weights, layers.0.biases, layers.2.weights, layers.2.biases",
    ),
    "Nabla": ((normal(3, 5),), "weights.0, weights.1, biases.0, biases.1"),
    "Neuron": ((normal(2),), "w1, w2, b"),
    "MaxPool": ((normal(2, 2, 4, 6),), "input 0"),
    "Dropout": (X, "input 0"),
    "Embedding 5 3": ((below(5, 7),), "W"),
    "Attention": (QKV, "input 0 1 2"),
    "Conv": ((normal(2, 3, 4, 5),), "input 0, weight"),
    "InTorch 3 4": (X, "input 0, weight"),
    "Engine": ((normal(5), normal(5, seed=1)), "input 0 1"),
    "LossesOfSamples": ((*X, normal(5, 3, seed=1)), "input 0"),
    "loss_fun": ((normal(3, 5), normal(4, 5), normal(4, 5, seed=1)), "Wxh, Whh, bh"),
    "TwoLayers": ((*X, below(3, 5)), "params.W1, params.b1, params.W2"),
    "LSTM": ((normal(4, 2, 3),), "input 0, W, b"),
    "Flat": (X, "input 0, W, b"),
    "HandsOutItsCache": (X, "input 0, W"),
    "Stateful": (X, "input 0, Wx, Wh"),
    "Interpolated": (X, "input 0"),
    "Spelled": (X, "input 0"),
}
UNTRACED = ("Interpolated", "Spelled")
# What is written in the place of what, and the kind of mistake that this is. "" has no name.
WRONG = [
    ("affine_forward,affine_backward", "np.sum(dout, axis=0)", "dout.mean(0)", "mean-for-sum"),
    ("batchnorm_forward,batchnorm_backward", "- dbeta -", "-", "forgotten-path"),
    ("batchnorm_forward,batchnorm_backward", "dx = gamma", "dx = 1", "forgotten-factor"),
    ("rnn_forward,rnn_backward", "(dh[:, step] + dprev)", "dh[:, step]", "forgotten-path"),
    ("rnn_forward,rnn_backward", "h[:, step - 1] if", "h[:, step] if", ""),
    (
        "linear_activation_forward,linear_activation_backward",
        "dZ[Z <= 0] = 0",
        "",
        "forgotten-derivative",
    ),
    ("softmax_loss", "dx / n", "dx", "sum-for-mean"),
    ("mse,mse_prime", "return 2 * (p", "return (p", "number-forgotten"),
    ("CrossEntropy", "= -onehot", "= onehot", "sign"),
    ("LayerDense 3 4", "np.sum(dvalues", "np.mean(dvalues", "mean-for-sum"),
    ("Updating 3 4", "self.bias - l", "self.bias + l", "sign"),
    ("InDicts 4", "dLdy.sum", "dLdy.mean", "mean-for-sum"),
    ("WithParameters 3 4", "(1 - y * y)", "(1 - y)", "wrong-derivative"),
    ("WithParameters 3 4", "self.W.grad +=", "self.W.grad =", "accumulation"),
    ("Affine", "g = g * y * (1 - y)", "pass", "forgotten-derivative"),
    ("Affine", "g = g * y * (1 - y)", "g = y * (1 - y)", "forgotten-upstream"),
    ("Nabla", "delta * self.activations[k] *", "delta *", "wrong-derivative"),
    ("Neuron", "self.y * (1 - self.y)", "self.y", "activation"),
    ("Dropout", "g * self.mask", "g", "forgotten-factor"),
    ("Embedding 5 3", "np.add.at(self.dW, self.index, g)", "self.dW[self.index] += g", "assigned"),
    ("Attention", "(dp - (dp * self.p).sum(-1, keepdims=True))", "dp * (1 - self.p)", "diagonal"),
    ("LossesOfSamples", "-2 * (y", "2 * (y", "sign"),
    ("loss_fun", "d @ hprev.T, np", "d @ h.T, np", ""),
    ("TwoLayers", "d[hidden <= 0] = 0", "", "forgotten-derivative"),
    ("LSTM", "(1 - t**2) + dc_next", "(1 - t**2)", "forgotten-path"),
    ("Flat", "g.sum(axis=0)", "g.mean(axis=0)", "mean-for-sum"),
    ("HandsOutItsCache", "cache.T @ dout", "-cache.T @ dout", "sign"),
    ("Stateful", "(1 - self.h**2)", "(1 - self.h)", "wrong-derivative"),
    ("InTorch 3 4", "self.x.T @ g", "-self.x.T @ g", "sign"),
    ("Interpolated", "0.5, 2.0)", "0.5, 1.0)", ""),
    ("Spelled", "2 * g", "g", ""),
]


def made(module: Any, spec: str) -> Any:
    name, *words = spec.split()
    parts = [getattr(module, part) for part in name.split(",")]
    if isinstance(parts[0], type):
        return parts[0](*map(int, words))
    return tuple(parts) if len(parts) > 1 else parts[0]


def names_in(text: str) -> set[str]:
    """'input 0 1, W' -> {'input 0', 'input 1', 'W'}."""
    parts = [part.strip() for part in text.split(",")]
    inputs = [n for part in parts if part.startswith("input") for n in part.split()[1:]]
    return {p for p in parts if not p.startswith("input")} | {f"input {n}" for n in inputs}


def module_from(tmp_path: Path, source: str, name: str = "theirs") -> Any:
    path = tmp_path / f"{name}.py"
    path.write_text(source, "utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("spec", RIGHT)
def test_right_code_agrees_whatever_its_form(spec: str) -> None:
    inputs, judged = RIGHT[spec]
    checked = check_own(made(styles, spec), *inputs)
    assert checked.agrees, str(checked)
    gradients = {row.name for row in checked.report.rows if row.kind == "gradient"}
    assert gradients == names_in(judged)
    traced = not any("cannot be traced" in text for text in checked.warnings)
    assert traced == (spec not in UNTRACED)
    assert not any("does not use" in text for text in checked.warnings)


def test_what_is_drawn_is_the_same_in_every_check() -> None:
    reports = []
    for seed in (1, 2):
        np.random.seed(seed)
        reports.append(check_own(styles.Dropout(), *X).json())
    assert reports[0] == reports[1]


@pytest.mark.parametrize(("spec", "right", "wrong", "kind"), WRONG)
def test_a_mistake_is_told_and_named(
    spec: str, right: str, wrong: str, kind: str, tmp_path: Path
) -> None:
    name = spec.split()[0].split(",")[-1:]
    start = max(
        SOURCE.index(f"{word} {part}")
        for part in name
        for word in ("class", "def")
        if f"{word} {part}" in SOURCE
    )
    place = SOURCE.index(right, start)
    source = SOURCE[:place] + wrong + SOURCE[place + len(right) :]
    checked = check_own(made(module_from(tmp_path, source), spec), *RIGHT[spec][0])
    assert not checked.agrees
    kinds = [verdict.kind for verdict in checked.diagnosis.verdicts]
    assert not kind or kinds[0].startswith(kind), str(checked)
    if spec in UNTRACED:
        assert kinds == []


def test_the_place_of_a_mistake_is_the_line_of_their_own_forward(tmp_path: Path) -> None:
    source = "import numpy as np\n\n\nclass Tanh:\n    def forward(self, x):\n        self.x = x\n"
    source += "        return np.tanh(x)\n\n    def backward(self, g):\n        return g\n"
    checked = check_own(module_from(tmp_path, source).Tanh(), *X)
    assert checked.diagnosis.verdicts[0].place == "theirs.py:7"


# ---- what is theirs stays as it was


def everything(code: Any) -> str:
    return repr([vars(layer) for layer in code.layers])


@pytest.mark.parametrize("breaks", [False, True])
def test_a_check_leaves_no_trace(breaks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    code = styles.Sequential()
    if breaks:
        monkeypatch.setattr(styles.ActivationReLU, "forward", lambda self, x: np.interp(x, [], []))
    before = dict(vars(styles)), everything(code), str(np.random.get_state()), random.getstate()
    plain, imported = _ndarray.ndarray, builtins.__import__
    if breaks:
        with pytest.raises(CandidateError):
            check_own(code, *X)
    else:
        check_own(code, *X)
    after = dict(vars(styles)), everything(code), str(np.random.get_state()), random.getstate()
    assert before == after
    assert torch.get_default_dtype() is torch.float32
    assert _ndarray.ndarray is plain
    assert builtins.__import__ is imported


def test_arguments_are_not_changed() -> None:
    x = normal(5, 3)
    check_own(styles.LayerDense(3, 4), x)
    assert np.array_equal(x, normal(5, 3))


# ---- what cannot be traced, and what is not judged


def test_differences_say_where_the_forward_could_not_be_followed() -> None:
    (warning,) = check_own(styles.Interpolated(), *X).warnings
    assert re.search(r"own_styles\.py:\d+: numpy\.interp of a traced array", warning)


def test_the_guard_sees_a_gradient_that_is_lost_on_the_way() -> None:
    (warning,) = check_own(styles.Spelled(), *X).warnings
    assert "numbers become text" in warning
    assert "is not the slope of the forward pass" in warning


class Half:
    """Kept back: of the bias no gradient is given, the other's lies under a name of its own."""

    def __init__(self) -> None:
        self.W, self.c, self.unused = normal(3, 4), normal(4), normal(2)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.c

    def backward(self, g: Any) -> Any:
        self.dW = self.x.T @ g
        return g @ self.W.T


def test_an_array_without_a_gradient_is_not_judged() -> None:
    checked = check_own(Half(), *X)
    assert checked.agrees
    assert checked.warnings == ["not judged, for no gradient of it was found: c"]


def test_a_convention_of_courses_is_spoken_of(tmp_path: Path) -> None:
    wrong = "dout.T.dot(x.reshape(x.shape[0], -1)).T / len(x)"
    source = SOURCE.replace("x.reshape(x.shape[0], -1).T.dot(dout)", wrong, 1)
    source = source.replace("np.sum(dout, axis=0)", "np.mean(dout, axis=0)", 1)
    spec = "affine_forward,affine_backward"
    checked = check_own(made(module_from(tmp_path, source), spec), *RIGHT[spec][0])
    assert not checked.agrees
    assert any("some courses divide" in text for text in checked.warnings)


def test_a_backward_that_wants_more_than_there_is_is_refused() -> None:
    class Trains(Half):
        def backward(self, X: Any, y: Any, output: Any) -> Any:  # type: ignore[override]
            return output - y

    with pytest.raises(CandidateError, match="no y was handed in"):
        check_own(Trains(), *X)


class Summed(Half):
    def backward(self, g: Any) -> Any:
        self.dc = g
        return super().backward(g)


def test_a_gradient_of_another_size_is_told_and_not_judged() -> None:
    checked = check_own(Summed(), *X)
    assert checked.agrees
    assert checked.warnings == ["dc has the shape (5, 4), c (4,): not judged"]


def test_code_without_a_gradient_is_refused() -> None:
    class Silent(Half):
        def backward(self, g: Any) -> Any:
            return None

    with pytest.raises(CandidateError, match="no gradient was found"):
        check_own(Silent(), *X)
    with pytest.raises(CandidateError, match="expected an object with forward and backward"):
        check_own(3, *X)


# ---- kinks


class AtLeast:
    """A relu that takes the slope 1 at 0."""

    def forward(self, x: Any) -> Any:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, g: Any) -> Any:
        return g * (self.x >= 0)


class LogOfPositive:
    """At 0 autograd gives nan: 0 times infinity."""

    def forward(self, x: Any) -> Any:
        self.x = x
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(x > 0, np.log(1 + np.sqrt(np.maximum(x, 0))), 0)

    def backward(self, g: Any) -> Any:
        root = np.sqrt(np.where(self.x > 0, self.x, 1))
        return np.where(self.x > 0, g / (1 + root) / (2 * root), 0)


class Largest:
    """The first of equals gets all."""

    def forward(self, x: Any) -> Any:
        self.x, self.at = x, x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, g: Any) -> Any:
        dx = np.zeros_like(self.x)
        dx[np.arange(len(dx)), self.at] = g
        return dx


ZEROS = np.array([[0.0, 0.0, -1.0], [2.0, 2.0, 0.0], [1.0, -3.0, 0.0], [0.0, 1.0, 1.0]])


@pytest.mark.parametrize("kind", [AtLeast, Largest])
def test_at_a_kink_any_slope_between_the_two_sides_is_right(kind: Any) -> None:
    checked = check_own(kind(), ZEROS)
    assert checked.agrees, str(checked)
    assert any("kink" in text for text in checked.warnings)


def test_at_a_kink_what_lies_outside_is_wrong() -> None:
    class Twice(AtLeast):
        def backward(self, g: Any) -> Any:
            return g * np.where(self.x == 0, 2, self.x > 0)

    assert not check_own(Twice(), ZEROS).agrees


def test_nan_from_autograd_is_not_held_against_them() -> None:
    x = np.array([[0.5, -1.0, 2.0], [1.5, -0.3, 0.7]])
    assert check_own(LogOfPositive(), x).agrees
    x[0, 1] = x[1, 1] = -0.0
    checked = check_own(LogOfPositive(), x)
    assert all(row.agrees or not math.isfinite(row.reference) for row in checked.report.rows)


# ---- PyTorch code


class Cube(torch.autograd.Function):
    times = 3.0

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return Cube.times * g * x**2


class Separate(Cube):
    @staticmethod
    def forward(x: Any) -> Any:  # type: ignore[override]
        return x**3

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)


class WithCube(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 4).double()

    def forward(self, x: Any) -> Any:
        return Cube.apply(self.linear(x))


@pytest.mark.parametrize("code", [Cube, Separate, WithCube])
def test_torch_code_is_its_own_reference(code: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = code() if code is WithCube else code
    assert check_own(mine, *X).agrees
    monkeypatch.setattr(Cube, "times", 2.0)
    checked = check_own(mine, *X)
    assert not checked.agrees
    assert checked.diagnosis.verdicts
    x = torch.ones(2, requires_grad=True)
    Cube.apply(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]


# ---- with a reference, both questions


class Shifted:
    """Its forward is not the reference's, by little; its backward has the wrong sign."""

    def forward(self, x: Any) -> Any:
        self.y = np.tanh(x)
        return self.y + 1e-9

    def backward(self, g: Any) -> Any:
        return -g * (1 - self.y**2)


def test_a_difference_of_the_outputs_does_not_hide_the_gradient() -> None:
    checked = check_both(Shifted(), torch.tanh, *X)
    assert checked.own is not None
    assert not checked.own.agrees
    assert checked.own.diagnosis.verdicts[0].kind == "sign"
    assert "your backward pass does NOT fit your forward pass" in str(checked)
    assert checked.as_dict()["own_forward"]["agrees"] is False


def test_where_the_outputs_agree_one_check_is_enough() -> None:
    assert check_both(AtLeast(), torch.relu, *X).own is None


# ---- where NumPy comes from


def test_what_numpy_has_and_the_stand_ins_lack_is_refused_by_name(tmp_path: Path) -> None:
    source = "import numpy as np\n\n\nclass F:\n    def forward(self, x):\n"
    source += "        return np.unwrap(x)\n\n    def backward(self, g):\n        return g\n"
    (program,) = readings_of(module_from(tmp_path, source).F(), X)
    with pytest.raises(UntraceableError, match=r"theirs\.py:6: numpy\.unwrap of a traced array"):
        trace(program, {}, {}, [torch.zeros(3, dtype=torch.float64)])


@pytest.mark.parametrize(
    "lines",
    [
        "import numpy\nexp = lambda x: numpy.exp(x)",
        "from numpy import exp",
        "import numpy as np\nfrom functools import partial\nexp = lambda x: np.exp(x)",
        "def exp(x):\n    import numpy as np\n    return np.exp(x)",
        "def exp(x):\n    from numpy import exp\n    return exp(x)",
        "import math\nimport numpy as np\nexp = np.vectorize(math.exp)",
        "from math import exp as one\nimport numpy as np\n"
        "exp = lambda x: np.array([[one(v) for v in row] for row in x.tolist()])",
    ],
)
def test_numpy_is_found_wherever_it_comes_from(lines: str, tmp_path: Path) -> None:
    source = lines + "\n\n\nclass F:\n    def forward(self, x):\n        self.y = exp(x)\n"
    source += "        return self.y\n\n    def backward(self, g):\n        return self.y * g\n"
    checked = check_own(module_from(tmp_path, source).F(), *X)
    assert checked.agrees, str(checked)
    assert not checked.warnings


def test_neighbours_of_their_file_are_followed(tmp_path: Path) -> None:
    module_from(tmp_path, "import numpy as np\n\n\ndef act(x):\n    return np.tanh(x)\n", "beside")
    source = "import sys\nimport beside\n\n\nclass F:\n    def forward(self, x):\n"
    source += "        self.y = beside.act(x)\n        return self.y\n\n"
    source += "    def backward(self, g):\n        return g * (1 - self.y**2)\n"
    sys.path.insert(0, str(tmp_path))
    try:
        checked = check_own(module_from(tmp_path, source).F(), *X)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("beside", None)
    assert checked.agrees, str(checked)
    assert not checked.warnings


# ---- matching


def given(kind: str, *places: tuple[tuple[Any, ...], tuple[int, ...]]) -> list[Given]:
    return [Given(Source(kind, path), shape) for path, shape in places]


@pytest.mark.parametrize(
    ("path", "gradient"),
    [
        (("W",), ("dW",)),
        (("W",), ("grad_W",)),
        (("W",), ("dLdW",)),
        (("W",), ("W_grad",)),
        (("W",), ("nabla_W",)),
        (("W",), ("grads", "W")),
        (("params", "W"), ("grads", "W")),
        (("params", "W"), ("grads", "dW")),
        (("params", 0, "W"), ("grads", 0, "W")),
        (("W", "data"), ("W", "grad")),
        (("W", "value"), ("W", "g")),
        (("layers", 1, "weights"), ("layers", 1, "dweights")),
        (("weights", 1), ("dweights", 1)),
        (("w",), ("dweights",)),
    ],
)
def test_a_gradient_is_known_by_its_name(path: tuple[Any, ...], gradient: Any) -> None:
    leaves = [Leaf("it", (3, 4), path), Leaf("other", (3, 4), ("V",))]
    others = given("held", (("elsewhere",), (3, 4)), (("cache", 0), (3, 4)))
    matched = match(leaves, [*others, *given("held", (gradient, (3, 4)))], [], None)
    assert matched == {"it": Source("held", gradient)}


@pytest.mark.parametrize("name", ["W", "delta", "dx", "W2", "dW2", "momentum_W", "old_dW"])
def test_what_is_called_something_else_is_not_taken_for_a_gradient(name: str) -> None:
    leaves = [Leaf("W", (3, 4), ("layer", "W"))]
    assert match(leaves, given("held", (("layer", name), (3, 4))), [], None) == {}


def test_one_array_is_the_gradient_of_one_leaf() -> None:
    leaves = [Leaf("w", (3,), ("w",)), Leaf("W", (3,), ("W",))]
    matched = match(leaves, given("held", (("dW",), (3,))), [], None)
    assert matched == {"W": Source("held", ("dW",))}


def test_of_two_that_could_be_it_none_is_taken() -> None:
    leaves = [Leaf("W", (3,), ("W",))]
    both = given("held", (("gradient_W",), (3,)), (("nabla_W",), (3,)))
    assert match(leaves, both, [], None) == {}


def test_returned_values_are_told_by_their_place_if_the_shapes_fit() -> None:
    leaves = [
        Leaf("input 0", (5, 3), None, ("x",)),
        Leaf("W", (3, 4), ("W",)),
        Leaf("b", (4,), ("b",)),
    ]
    returned = normal(5, 3), normal(3, 4), normal(1, 4)
    matched = match(leaves, [], [], returned)
    assert {n: s.path for n, s in matched.items()} == {"input 0": (0,), "W": (1,), "b": (2,)}
    assert match(leaves, [], [], (normal(2, 2), normal(3, 4), normal(4))) == {}
    only = match(leaves, [], [], (normal(3, 4), normal(4)))  # those of the parameters alone
    assert {n: s.path for n, s in only.items()} == {"W": (0,), "b": (1,)}


# ---- the command


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    path = tmp_path / "layer.py"
    path.write_text(
        "import numpy as np\n\n\nclass Layer:\n    def __init__(self, n, m):\n"
        "        self.W, self.b = np.zeros((n, m)), np.zeros(m)\n\n"
        "    def forward(self, x):\n        self.x = x\n        return x @ self.W + self.b\n\n"
        "    def backward(self, dy):\n        self.dW = self.x.T @ dy\n"
        "        self.db = dy.sum(axis=0)\n        return dy @ self.W.T\n",
        "utf-8",
    )
    return path


def test_the_command_needs_no_reference(layer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", f"{layer}:Layer", "--args", "3", "4", "--input", "5,3"]
    assert main(words) == 0
    assert "result: agrees" in capsys.readouterr().out
    layer.write_text(layer.read_text().replace("dy.sum(", "dy.mean("))
    assert main(words) == 1
    assert "mean-for-sum: the gradient of b is divided by 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--loss", "mse"], "--loss is for a check with --against"),
        (["--map", "weight=W"], "--map is for a check with --against"),
        (["--dtype", "float32"], "by itself NumPy code is run in float64"),
    ],
)
def test_options_of_a_reference_are_refused_without_one(
    layer: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"{layer}:Layer", "--args", "3", "4", "--input", "5,3", *more]) == 2
    assert message in capsys.readouterr().err


def test_a_bundle_needs_a_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    assert "--against: a bundle is checked against a reference" in capsys.readouterr().err
