"""`check` and `backprop check`: every form of code, what is easily forgotten, and bad input."""

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking.check import check
from torch_ref.checking.layouts import CandidateError, Layout
from torch_ref.cli import main

from . import faulty
from .test_diagnosis import FIELD, deep, normal

FAULTY = str(Path(faulty.__file__))
LINEAR = ["--against", "torch.nn.Linear", "--args", "3", "4", "--input", "5,3"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code, and what was printed."""
    try:
        code = main(["check", *words])
    except SystemExit as error:
        code = int(error.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


# ---- what can be checked


def test_a_right_layer_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, f"{FAULTY}:Linear", *LINEAR, "--steps", "3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == [
        "quantity",
        "distance",
        "in",
        "eps",
        "worst",
        "at",
        "yours",
        "reference",
    ]
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "output 0",
        "gradient of bias",
        "gradient of input 0",
        "gradient of weight",
    ]
    assert "after 3 steps weight" in out
    together = " ".join(out.split())
    for name in (
        "arguments unchanged",
        "no memory shared",
        "a second backward",
        "a second batch",
        "a smaller batch",
        "a batch of one",
        "float32",
    ):
        assert name in together
    assert lines[-1] == "result: agrees"


def test_a_wrong_layer_gets_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    words = (f"{FAULTY}:Linear", *LINEAR, "--mine-args", "3", "4", "bug=bias averaged")
    code, out, _ = run(capsys, *words)
    assert code == 1
    assert "verdict: mean-for-sum: the gradient of bias is divided by 5" in out
    code, out, _ = run(capsys, *words, "--json")
    assert code == 1
    found = json.loads(out)
    assert found["agrees"] is False
    assert [row["name"] for row in found["rows"] if not row["agrees"]] == ["bias"]
    verdict = found["diagnosis"]["verdicts"][0]
    assert verdict["kind"] == "mean-for-sum"
    assert verdict["place"] == "the gradient of bias"
    assert verdict["distance"] < 1e-15
    assert verdict["fix"]


def test_functions_as_courses_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, f"{FAULTY}:affine_forward,affine_backward", *LINEAR)
    assert code == 0, out
    code, out, _ = run(capsys, f"{FAULTY}:affine_forward,affine_backward_averaged", *LINEAR)
    assert code == 1
    assert "verdict: mean-for-sum: the gradient of weight is divided by 5" in out


def test_functions_with_a_dict_of_parameters() -> None:
    def forward(x: Any, params: Any) -> Any:
        return x @ params["weight"].T + params["bias"], (x, params)

    def backward(dy: Any, cache: Any) -> Any:
        x, params = cache
        return dy @ params["weight"], {"weight": dy.T @ x, "bias": dy.sum(axis=0)}

    assert check((forward, backward), torch.nn.Linear(3, 4), normal(5, 3)).agrees


def test_a_function_of_autograd_and_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--against", "torch.nn.functional.conv2d", "--input", "2,3,6,7", "--input", "4,3,2,3")
    code, out, _ = run(capsys, f"{FAULTY}:Convolution", *words)
    assert code == 1
    assert "verdict: kernel-not-flipped" in out
    assert check(torch.nn.Linear(3, 4), torch.nn.Linear(3, 4), normal(5, 3)).agrees


def test_one_of_ours_by_its_dotted_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "manual.Linear", *LINEAR)
    assert (code, err) == (0, ""), out
    words = ("--against", "torch.nn.CrossEntropyLoss", "--input", "5,3", "--input", "5:int<3")
    code, out, err = run(capsys, "manual.CrossEntropyLoss", *words)
    assert (code, err) == (0, ""), out


def test_layouts(capsys: pytest.CaptureFixture[str]) -> None:
    """Flat weights, other gate orders, a bias that is not there."""
    words = ["--against", "torch.nn.LSTM", "--args", "3", "4", "--input", "5,2,3"]
    for mapped in ("weight_ih_l0=Wx.T@ifog", "weight_hh_l0=Wh.T@ifog", "bias_ih_l0=b@ifog"):
        words += ["--map", mapped]
    code, out, err = run(capsys, f"{FAULTY}:LSTM", *words)
    assert (code, err) == (0, ""), out
    assert "bias_hh_l0 is held at zero" in out
    value = np.arange(8 * 6.0).reshape(8, 2, 3)
    layout = Layout.parse("W:gW.flat.T@ifog")
    there = layout.to_mine(value)
    assert there.shape == (6, 8)
    assert (layout.gradient, layout.name) == ("gW", "W")
    np.testing.assert_array_equal(layout.to_reference(there, value.shape), value)
    np.testing.assert_array_equal(there[:, 4:6], value.reshape(8, 6)[6:8].T)  # o, PyTorch's last


def test_the_loss_gives_the_upstream_gradient() -> None:
    target = torch.tensor([0, 1, 1, 0, 1])

    def loss(y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(y, target)

    assert check(faulty.Network((3, 4, 2)), small(), normal(5, 3), loss=loss).agrees


def small() -> torch.nn.Module:
    layers = [torch.nn.Linear(3, 4), torch.nn.Sigmoid(), torch.nn.Linear(4, 2), torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers).double()


def test_the_reference_handed_in_is_not_changed() -> None:
    reference = torch.nn.BatchNorm1d(3).double()
    before = {name: value.clone() for name, value in reference.state_dict().items()}
    assert check(faulty.BatchNorm(3), reference, normal(7, 3)).agrees
    for name, value in reference.state_dict().items():
        assert torch.equal(value, before[name]), name


# ---- what is easily forgotten


@pytest.mark.parametrize(
    ("bug", "note", "words"),
    [
        ("mutates", "arguments unchanged", "upstream gradient 0"),
        ("shares", "no memory shared", "the gradient of bias with bias itself"),
    ],
)
def test_what_is_easily_forgotten(bug: str, note: str, words: str) -> None:
    checked = check(faulty.Linear(3, 4, bug), torch.nn.Linear(3, 4), normal(5, 3))
    failed = {n.name: n.detail for n in checked.notes if not n.passed}
    assert words in failed[note]
    assert not checked.agrees
    assert f"WRONG: {note}" in str(checked)


class Forgetful(faulty.Linear):
    def __init__(self, what: str) -> None:
        super().__init__(3, 4)
        self.what, self.dW, self.db = what, np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x: Any) -> Any:
        if self.what == "batch size":
            self.first = getattr(self, "first", len(x))
        if self.what == "float64":
            x = x.astype(np.float64)
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: Any) -> Any:
        before = self.dW
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        if self.what == "adds up one":
            self.dW = self.dW + before
        if self.what == "batch size":
            self.db = dy.mean(axis=0) * self.first
        return dy @ self.W.T


@pytest.mark.parametrize(
    ("what", "note"),
    [
        ("adds up one", "a second backward"),
        ("batch size", "a smaller batch"),
    ],
)
def test_what_only_another_run_shows(what: str, note: str) -> None:
    checked = check(Forgetful(what), torch.nn.Linear(3, 4), normal(5, 3))
    assert note in {n.name for n in checked.notes if not n.passed}, checked
    assert not checked.agrees


def test_float64_made_of_float32_is_told_but_is_no_mistake() -> None:
    checked = check(Forgetful("float64"), torch.nn.Linear(3, 4), normal(5, 3))
    assert checked.agrees, checked
    assert any("given float32, it computes" in text for text in checked.warnings)


def test_a_gradient_handed_on_as_it_came_is_a_warning() -> None:
    class Add:
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

        def backward(self, dy: Any) -> Any:
            return dy, dy

    checked = check(Add(), torch.add, normal(5, 3), normal(5, 3) + 1)
    assert checked.agrees, checked
    assert any("shares its memory" in text for text in checked.warnings)


def test_frozen_parameters_of_the_reference_are_handed_over() -> None:
    reference = torch.nn.Linear(3, 4)
    reference.bias.requires_grad_(False)
    assert check(faulty.Linear(3, 4), reference, normal(5, 3)).agrees
    assert not reference.bias.requires_grad


def test_what_is_handed_in_keeps_its_numbers() -> None:
    mine = faulty.Linear(3, 4)
    mine.W[...] = 7
    assert check(mine, torch.nn.Linear(3, 4), normal(5, 3)).agrees
    assert (mine.W == 7).all()


def test_weights_updated_in_backward_are_told() -> None:
    class Updating(faulty.Linear):
        def backward(self, dy: Any) -> Any:
            dx = super().backward(dy)
            self.W = self.W - 0.1 * self.dW
            return dx

    checked = check(Updating(3, 4), torch.nn.Linear(3, 4), normal(5, 3))
    failed = {n.name: n.detail for n in checked.notes if not n.passed}
    assert "weight" in failed["arguments unchanged"]
    assert "a second batch" not in failed


def test_nothing_to_check() -> None:
    for reference, inputs, message in (
        (torch.nn.Linear(3, 4), [np.zeros((0, 3))], "input 0 is empty"),
        (torch.nn.Linear, [normal(5, 3)], "is the class Linear"),
        (lambda x: {"y": x}, [normal(5, 3)], "returned a dict, expected tensors"),
        (lambda x: x > 0, [normal(5, 3)], "only float32 and float64"),
    ):
        with pytest.raises(CandidateError, match=message):
            check(faulty.Linear(3, 4), reference, *inputs)


def test_square_matrices_lie_as_the_output_says() -> None:
    checked = check(faulty.Linear(4, 4), torch.nn.Linear(4, 4), normal(5, 4))
    assert checked.agrees, checked
    assert any("square and read as transposed" in text for text in checked.warnings)


def test_a_bias_with_an_axis_more() -> None:
    class Rows(faulty.Linear):
        def __init__(self) -> None:
            super().__init__(3, 4)
            self.b = np.zeros((1, 4))

        def backward(self, dy: Any) -> Any:
            dx = super().backward(dy)
            self.db = dy.sum(axis=0, keepdims=True)
            return dx

    assert check(Rows(), torch.nn.Linear(3, 4), normal(5, 3), steps=2).agrees


def test_gradients_that_all_add_up_are_right_too() -> None:
    class Adding(faulty.Linear):
        def __init__(self) -> None:
            super().__init__(3, 4)
            self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

        def backward(self, dy: Any) -> Any:
            self.dW = self.dW + self.x.T @ dy
            self.db = self.db + dy.sum(axis=0)
            return dy @ self.W.T

    checked = check(Adding(), torch.nn.Linear(3, 4), normal(5, 3), steps=2)
    assert checked.agrees, checked


def test_a_zero_gradient_proves_nothing() -> None:
    relu = check(torch.nn.ReLU(), torch.nn.ReLU(), -abs(normal(5, 3)))
    assert any("proves nothing" in warning for warning in relu.warnings)
    one = check(faulty.Linear(3, 4), torch.nn.Linear(3, 4), normal(1, 3))
    assert any("batch of one" in warning for warning in one.warnings)


def test_a_step_of_their_own_that_goes_the_wrong_way() -> None:
    class Climbing(faulty.Network):
        def step(self, lr: float) -> None:
            for name, gradient in self.grads.items():
                self.params[name] = self.params[name] + lr * gradient

        def backward(self, d: Any) -> Any:
            dx, self.grads = super().backward(d)
            return dx, self.grads

    checked = check(Climbing(), deep(), normal(6, 3), steps=1, lr=0.5)
    assert not checked.agrees
    assert checked.diagnosis.verdicts[0].kind == "sign"


# ---- bad input: one clear line each, exit code 2

BAD_CODE = {
    "leaves": ("def backward(self, dy): raise SystemExit(0)", "SystemExit at mine.py:8"),
    "raises": ("def backward(self, dy): return 1 / 0", "ZeroDivisionError at mine.py:8"),
    "None": ("def backward(self, dy): pass", "no gradient of weight after backward"),
    "a list": ("def backward(self, dy): return [[1.0]]", "is a list, expected an array"),
    "too many": ("def backward(self, dy): return dy, dy, dy, dy", "has 4 gradients, expected"),
    "no gradient": (
        "def backward(self, dy): return dy @ self.W.T",
        "no gradient of weight after backward",
    ),
    "objects": (
        "def backward(self, dy): return np.array([None])",
        "an array of object, expected numbers",
    ),
}
WRONG_CODE = {
    "NaN": ("return dy @ self.W.T * np.nan", "is nan at [0, 0]"),
    "float16": ("return (dy @ self.W.T).astype('float16')", "float16, expected float64"),
    "shape": ("return (dy @ self.W.T)[:, :2]", "shape (5, 2), expected (5, 3)"),
}
CLASS = """
import numpy as np
class Mine:
    def __init__(self, n, m):
        self.W, self.b = np.zeros((n, m)), np.zeros(m)
    def forward(self, x):
        self.x = x; return x @ self.W + self.b
    """


def write(path: Path, backward: str) -> str:
    path.write_text(CLASS.strip("\n") + "\n" + textwrap.indent(backward, "    ") + "\n")
    return f"{path}:Mine"


@pytest.mark.parametrize("what", BAD_CODE)
def test_code_that_cannot_be_checked(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backward, message = BAD_CODE[what]
    code, out, err = run(capsys, write(tmp_path / "mine.py", backward), *LINEAR)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("what", WRONG_CODE)
def test_results_that_are_wrong_in_kind(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    returned, message = WRONG_CODE[what]
    body = (
        f"def backward(self, dy):\n    self.dW, self.db = self.x.T @ dy, dy.sum(0)\n    {returned}"
    )
    code, out, err = run(capsys, write(tmp_path / "mine.py", body), *LINEAR)
    assert (code, err) == (1, "")
    assert message in out


BAD_WORDS = {
    "no such file": (["none.py:Linear", *LINEAR], "none.py: there is no such file"),
    "no such class": ([f"{FAULTY}:Lineal", *LINEAR], "there is no Lineal in"),
    "no such module": (["nowhere.Linear", *LINEAR], "there is no module nowhere"),
    "no name": (["Linear", *LINEAR], "expected FILE.py:NAME"),
    "no such reference": (
        [f"{FAULTY}:Linear", "--against", "torch.nn.Lineal", "--input", "5,3"],
        "there is no Lineal in torch.nn",
    ),
    "no input": ([f"{FAULTY}:Linear", *LINEAR[:-2]], "--input: expected at least one"),
    "sizes": ([f"{FAULTY}:Linear", *LINEAR[:-1], "5,x"], "--input 5,x: expected sizes"),
    "huge": ([f"{FAULTY}:Linear", *LINEAR[:-1], "99999,99999"], "expected sizes"),
    "kind": ([f"{FAULTY}:Linear", *LINEAR[:-1], "5,3:odd"], "expected normal, uniform or int<N"),
    "width": ([f"{FAULTY}:Linear", *LINEAR[:-1], "5,4"], "Linear does not take these inputs"),
    "map": ([f"{FAULTY}:Linear", *LINEAR, "--map", "weight"], "expected NAME=LAYOUT"),
    "map of nothing": ([f"{FAULTY}:Linear", *LINEAR, "--map", "w=W"], "map w: the reference has"),
    "map to nothing": ([f"{FAULTY}:Linear", *LINEAR, "--map", "weight=V"], "has no array V"),
    "gates": ([f"{FAULTY}:Linear", *LINEAR, "--map", "weight=W@iffo"], "expected the gates ifgo"),
    "extra for a class": ([f"{FAULTY}:Linear", *LINEAR, "--extra", "3"], "are for forward and"),
    "map for a Function": (
        [f"{FAULTY}:Convolution", *LINEAR, "--map", "weight=w"],
        "a map is for NumPy code",
    ),
    "extra": ([f"{FAULTY}:Linear", *LINEAR, "--extra", "{"], "--extra {: expected JSON"),
    "arguments": (
        [f"{FAULTY}:Linear", *LINEAR, "--mine-args", "3"],
        "Linear raised TypeError",
    ),
    "steps": ([f"{FAULTY}:Linear", *LINEAR, "--steps", "-1"], "expected a number from 0"),
    "lr": ([f"{FAULTY}:Linear", *LINEAR, "--lr", "nan"], "expected a number above 0"),
}


@pytest.mark.parametrize("what", BAD_WORDS)
def test_bad_words_get_one_line(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, message = BAD_WORDS[what]
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_file_that_does_not_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, message in (("import nowhere_at_all", "ModuleNotFoundError"), ("x = (", "Syntax")):
        (tmp_path / "mine.py").write_text(text)
        code, _, err = run(capsys, f"{tmp_path / 'mine.py'}:Linear", *LINEAR)
        assert code == 2
        assert message in err


def test_random_numbers_that_cannot_be_matched() -> None:
    reference = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5))
    with pytest.raises(CandidateError, match="draws its own random numbers"):
        check(faulty.Linear(3, 4), reference, normal(5, 3), layouts={"0.weight": "W.T"})


def test_every_verdict_can_be_written_as_json() -> None:
    checked = FIELD["a stale cache"][0]()
    found = json.loads(checked.json())
    assert found["diagnosis"]["verdicts"][0]["kind"] == "stale-cache"
