"""The forms of someone's code: what it is handed, what is found in it, and what is refused how."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import CandidateError, check, check_own
from torch_ref.checking.own import check_both
from torch_ref.checking.own.handed import Handed, Place, built
from torch_ref.checking.own.scripts import how_to_wrap
from torch_ref.cli import main

AS_WRITTEN = Path(__file__).parent / "as_written"


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


X = normal(5, 3)


class Affine:
    """(in, out), as courses have it; `Turned` gives its gradient as PyTorch has it."""

    def __init__(self, n: int = 3, m: int = 4) -> None:
        self.W, self.b = normal(n, m), normal(m)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, g: Any) -> Any:
        self.dW, self.db = self.x.T @ g, g.sum(0)
        return g @ self.W.T


class Turned(Affine):
    def backward(self, g: Any) -> Any:
        dx = super().backward(g)
        self.dW = self.dW.T
        return dx


# ---- a gradient lies as its own array does


@pytest.mark.parametrize(("kind", "agrees"), [(Affine, True), (Turned, False)])
def test_a_gradient_lies_as_its_own_array_not_as_the_reference_s(kind: Any, agrees: bool) -> None:
    checked = check(kind(), torch.nn.Linear(3, 4), X)
    assert checked.agrees == agrees
    if not agrees:
        assert checked.diagnosis.verdicts[0].kind == "transpose"
        assert "shape (4, 3), expected (3, 4)" in str(checked)


@pytest.mark.parametrize("turn", [False, True])
def test_that_of_a_function_does_too(turn: bool) -> None:
    def forward(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b, (x, w)

    def backward(g: Any, cache: Any) -> Any:
        x, w = cache
        dw = x.T @ g
        return g @ w.T, dw.T if turn else dw, g.sum(0)

    assert check((forward, backward), torch.nn.Linear(3, 4), X).agrees != turn


@pytest.mark.parametrize("flat", [True, False])
def test_that_of_flattened_kernels_is_flattened(flat: bool) -> None:
    class Conv:
        def __init__(self) -> None:
            self.w = np.zeros((2, 3 * 4))

        def forward(self, x: Any) -> Any:
            windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (2, 3))
            self.columns = np.moveaxis(windows, 1, 3).reshape(len(x), 2, 3, 12)
            return np.moveaxis(self.columns @ self.w.T, 3, 1)

        def backward(self, g: Any) -> None:
            dw = np.einsum("nfhw,nhwk->fk", g, self.columns)
            self.dw = dw if flat else dw.reshape(2, 3, 2, 2)

    reference = torch.nn.Conv2d(3, 2, 2, bias=False)
    checked = check(Conv(), reference, normal(2, 3, 3, 4))
    assert checked.agrees == flat, str(checked)
    assert "no gradient of input 0 was returned" in str(checked)


def test_a_map_may_name_an_array_with_an_axis_of_one_more() -> None:
    class Dense(Affine):
        def __init__(self) -> None:
            self.W, self.w0 = normal(3, 4), np.zeros((1, 4))

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W + self.w0

        def backward(self, g: Any) -> Any:
            self.dW, self.grad_w0 = self.x.T @ g, g.sum(0, keepdims=True)
            return g @ self.W.T

    assert check(Dense(), torch.nn.Linear(3, 4), X, layouts={"bias": "w0:grad_w0"}).agrees


def test_a_python_number_is_a_parameter_too() -> None:
    class Scalar:
        w = 0.0

        def __init__(self) -> None:
            self.w = 0.5

        def forward(self, x: Any) -> Any:
            self.x = x
            return self.w * x

        def backward(self, g: Any) -> Any:
            self.dw = float((g * self.x).sum())
            return g * self.w

    class Reference(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(0.7))

        def forward(self, x: Any) -> Any:
            return self.w * x

    assert check(Scalar(), Reference(), normal(5)).agrees


# ---- a network's end


class HalfSquares:
    uses = ("input 0", "input 1")

    def forward(self, x: Any, y: Any) -> Any:
        self.d = x - y
        return 0.5 * (self.d**2).sum()

    def backward(self, dout: float = 1.0) -> Any:
        parts = {"input 0": self.d, "input 1": -self.d}
        return tuple(d * dout if name in self.uses else d for name, d in parts.items())


def half_squares(x: Any, y: Any) -> Any:
    return ((x - y) ** 2).sum() / 2


@pytest.mark.parametrize(
    ("uses", "agrees", "words"),
    [
        (("input 0", "input 1"), True, ""),
        ((), True, "backward ignores dout: right where nothing comes after it"),
        (("input 0",), False, "dout other than 1: not multiplied by it: input 1"),
    ],
)
def test_what_comes_in_at_an_end_is_used_or_not(uses: Any, agrees: bool, words: str) -> None:
    mine = HalfSquares()
    mine.uses = uses
    checked = check(mine, half_squares, X, normal(5, 3, seed=1))
    assert checked.agrees == agrees
    assert words in str(checked)
    assert bool(words) == ("dout" in str(checked))


class Kept(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.kept = torch.tanh(x)
        return ctx.kept.clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * (1 - ctx.kept**2)


class Overwritten(Kept):
    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return ctx.kept.pow_(2).neg_().add_(1).mul_(g)


class OutputOverwritten(Overwritten):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.kept = torch.tanh(x)
        ctx.save_for_backward(ctx.kept)
        return ctx.kept

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return y.pow_(2).neg_().add_(1).mul_(g)


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Kept, ""), (Overwritten, "what forward has saved"), (OutputOverwritten, "output 0")],
)
def test_a_backward_leaves_what_forward_saved(kind: Any, words: str) -> None:
    checked = check(kind, torch.tanh, X)
    assert checked.report.agrees
    assert checked.agrees == (not words)
    if words:
        (verdict,) = checked.diagnosis.verdicts
        assert verdict.kind == "overwritten-saved"
        assert f"backward overwrites {words}" in verdict.what


def test_in_numpy_an_output_that_is_overwritten_is_spoken_of() -> None:
    class InPlace:
        def forward(self, x: Any) -> Any:
            self.y = np.tanh(x)
            return self.y

        def backward(self, g: Any) -> Any:
            self.y **= 2
            return g * (1 - self.y)

    checked = check(InPlace(), torch.tanh, X)
    assert checked.agrees
    assert "backward overwrites output 0" in checked.warnings


# ---- a parameter without a gradient, a convention


class Forgets(Affine):
    def backward(self, g: Any) -> Any:
        self.dW = self.x.T @ g
        return g @ self.W.T


class Otherwise(Forgets):
    def backward(self, g: Any) -> Any:
        self.total = g.sum(0)
        return super().backward(g)


def test_a_bias_that_has_no_gradient_at_all_is_wrong() -> None:
    checked = check_own(Forgets(), X)
    assert not checked.agrees
    assert checked.diagnosis.where.startswith("the gradient of b is missing")
    assert check_own(Otherwise(), X).agrees  # this may be it, under a name of its own


class Columns:
    divides = ("dW", "db")

    def __init__(self) -> None:
        self.W, self.b = normal(4, 3), normal(4, 1)

    def forward(self, a: Any) -> Any:
        self.a = a
        return self.W @ a + self.b

    def backward(self, g: Any) -> Any:
        m = g.shape[1]
        self.dW, self.db = g @ self.a.T, g.sum(1, keepdims=True)
        for name in self.divides:
            setattr(self, name, getattr(self, name) / m)
        return self.W.T @ g


@pytest.mark.parametrize("divides", [(), ("dW",), ("db",), ("dW", "db")])
def test_where_columns_are_samples_all_parameters_may_be_divided(divides: Any) -> None:
    code = Columns()
    code.divides = divides
    checked = check_own(code, normal(3, 6))
    assert checked.agrees == (len(divides) != 1), str(checked)
    assert ("a convention" in str(checked)) == (len(divides) == 2)


# ---- what it is handed


def three(x: Any, parameters: Any, mode: str = "a", scale: float = 1.0) -> Any:
    return x @ parameters["W"] + parameters["b"]


def test_arguments_are_found_by_name_and_fill_a_dict() -> None:
    bound = Handed([X], {"W": normal(3, 4), "b": normal(4), "scale": 2.0}).bound(three)
    skeleton = [Place(0), {"W": Place(1), "b": Place(2)}, "a", 2.0]
    assert bound.skeletons == skeleton
    assert bound.names == ["x", "W", "b"]
    again = [built(part, bound.arrays) for part in bound.skeletons]
    assert again[0] is X
    assert not bound.is_plain
    assert bound.legend == "input 0 is x, input 1 is W, input 2 is b"


@pytest.mark.parametrize(
    ("positional", "named", "words"),
    [
        ([X], {}, "parameters is a dict of W, b: add --input W=SIZES --input b=SIZES"),
        ([], {"parameters": {}}, "no x was handed in: add --input x=SIZES"),
        ([X, {}, "a", 1.0, X], {}, "one more too many: three takes x, parameters, mode, scale"),
        ([X, {}], {"z": 1}, "handed z too many"),
    ],
)
def test_what_is_missing_or_too_much_is_told(positional: Any, named: Any, words: str) -> None:
    with pytest.raises(CandidateError, match=re.escape(words)):
        Handed(positional, named).bound(three)


def test_one_array_handed_in_twice_is_two_inputs() -> None:
    class Product:
        def forward(self, a: Any, b: Any) -> Any:
            self.a, self.b = a, b
            return a * b

        def backward(self, g: Any) -> Any:
            return g * self.b, g * self.a

    assert check_own(Product(), X, X).agrees


def test_what_backward_calls_otherwise_is_forward_s_own() -> None:
    target = normal(5, 2)
    bound = Handed([X, target]).bound(FromTarget().forward, FromTarget().backprop)
    assert bound.more == {"y": Place(1)}

    class Columns:
        def feedforward(self, a: Any) -> Any:
            return a

        def backprop(self, x: Any, y: Any) -> Any:
            return x - y

    bound = Handed([X, target]).bound(Columns().feedforward, Columns().backprop)
    assert bound.more == {"y": Place(1), "x": Place(0)}


def test_of_a_loss_and_its_gradient_the_target_is_not_meant() -> None:
    def mse(y_true: Any, y_pred: Any) -> Any:
        return ((y_true - y_pred) ** 2).mean()

    def mse_prime(y_true: Any, y_pred: Any) -> Any:
        return 2 * (y_pred - y_true) / y_true.size

    checked = check_own((mse, mse_prime), X, normal(5, 3, seed=1))
    assert checked.agrees
    assert [row.name for row in checked.report.rows] == ["0", "input 1"]


# ---- a backward that starts from a target


class FromTarget:
    power = 1

    def __init__(self) -> None:
        self.W, self.V = normal(3, 4), normal(4, 2)

    def forward(self, x: Any) -> Any:
        self.x, self.h = x, np.tanh(x @ self.W)
        return self.h @ self.V

    def backprop(self, x: Any, y: Any) -> Any:
        d = np.sign(self.forward(x) - y) * np.abs(self.forward(x) - y) ** self.power
        return {"V": self.h.T @ d, "W": x.T @ (d @ self.V.T * (1 - self.h**2))}


def test_a_usual_loss_is_told_by_what_fits() -> None:
    checked = check_own(FromTarget(), X, normal(5, 2))
    assert checked.agrees
    assert "half the sum of the squared differences, which they fit" in checked.warnings[0]


def test_of_no_usual_loss_is_refused_with_what_to_write() -> None:
    code = FromTarget()
    code.power = 3
    with pytest.raises(CandidateError, match=re.escape("as def loss(output, target)")):
        check_own(code, X, normal(5, 2))


def test_a_loss_between_the_two_is_taken() -> None:
    def forward(x: Any, w: Any) -> Any:
        return x @ w, (x, w)

    def loss(output: Any, target: Any) -> Any:
        return ((output - target) ** 4).sum()

    def backward(output: Any, target: Any, cache: Any) -> Any:
        x, w = cache
        d = 4 * (output - target) ** 3
        return {"dx": d @ w.T, "dw": x.T @ d}

    checked = check_own((forward, loss, backward), X, normal(3, 2), named={"target": normal(5, 2)})
    assert checked.agrees, str(checked)
    assert len(checked.report.rows) == 3


# ---- against a reference


class Mapped:
    """Methods of other names, a sample a column, weights that move at once."""

    def __init__(self) -> None:
        self.weights, self.bias, self.rate = normal(4, 3), normal(4, 1), 0.5

    def feed_forward(self, a: Any) -> Any:
        self.a = a
        return self.weights @ a + self.bias

    def back_propagate(self, grad: Any) -> Any:
        back = self.weights.T @ grad
        self.weights -= self.rate * grad @ self.a.T
        self.bias -= self.rate * grad.sum(1, keepdims=True)
        return back


class WrongMapped(Mapped):
    def back_propagate(self, grad: Any) -> Any:
        return -super().back_propagate(grad)


def test_a_form_that_only_its_study_understands_is_compared_too() -> None:
    assert check_both(Mapped(), torch.nn.Linear(3, 4), X).agrees
    checked = check_both(WrongMapped(), torch.nn.Linear(3, 4), X)
    assert checked.diagnosis.verdicts[0].kind == "sign"


def test_channels_may_come_last() -> None:
    class Pointwise:
        def __init__(self) -> None:
            self.kernel = normal(1, 1, 3, 4)

        def fprop(self, x: Any) -> Any:
            self.x = x
            return x @ self.kernel[0, 0]

        def bprop(self, g: Any) -> Any:
            self.dkernel = np.einsum("nhwi,nhwo->io", self.x, g)[None, None]
            return g @ self.kernel[0, 0].T

    reference = torch.nn.Conv2d(3, 4, 1, bias=False)
    checked = check_both(Pointwise(), reference, normal(2, 3, 5, 6))
    assert checked.agrees, str(checked)
    assert len(checked.report.rows) == 3


def test_what_cannot_be_compared_is_told_to_leave_the_reference_away() -> None:
    class NoWeight:
        def forward(self, x: Any) -> Any:
            return x

        def backward(self, g: Any) -> Any:
            return g

    with pytest.raises(CandidateError, match="without --against, its own forward pass"):
        check_both(NoWeight(), torch.nn.Linear(3, 4), X)


def test_a_step_rule_s_object_is_its_class_with_its_numbers() -> None:
    class Descent:
        def __init__(self, lr: float) -> None:
            self.lr = lr

        def update(self, params: Any, grads: Any) -> None:
            for key in params:
                params[key] -= self.lr * grads[key]

    assert check(Descent(0.1), torch.optim.SGD, options={"lr": 0.1}).agrees
    assert not check(Descent(0.2), torch.optim.SGD, options={"lr": 0.1}).agrees


# ---- the command


def test_a_file_without_a_name_is_answered_with_its_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = AS_WRITTEN / "states.py"
    assert main(["check", str(path), "--input", "3"]) == 2
    assert f"which of it? {path}:sigmoid, {path}:LSTMCell" in capsys.readouterr().err
    assert main(["check", f"{path.with_name('stats.py')}:A", "--input", "3"]) == 2
    assert f"there is no such file; beside it: {path}" in capsys.readouterr().err


def test_a_bare_loop_is_answered_with_lines_that_can_be_put_into_it(tmp_path: Path) -> None:
    script = AS_WRITTEN / "script.py"
    answer = how_to_wrap(script)
    lines = [line[4:] for line in answer.split("\n") if line.startswith("    ")]
    body = script.read_text("utf-8").split("\n")
    first, last = (int(n) for n in re.findall(r"lines (\d+) to (\d+)", answer)[0])
    lines[1:2] = body[first - 1 : last]
    wrapped = tmp_path / "wrapped.py"
    wrapped.write_text("\n".join([*body, *lines]), "utf-8")
    words = ["--input", "X=4,3", "--input", "y=4,1"]
    assert main(["check", f"{wrapped}:loss_and_gradients", *words]) == 0
    wrapped.write_text(wrapped.read_text("utf-8").replace("(l1 * (1 - l1))", "l1"), "utf-8")
    assert main(["check", f"{wrapped}:loss_and_gradients", *words]) == 1


def test_a_loop_in_a_class_without_a_forward_is_too(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--input", "6,4", "--input", "6:int<2"]
    assert main(["check", f"{AS_WRITTEN / 'logistic.py'}:LogisticRegression", *words]) == 2
    answer = capsys.readouterr().err
    assert 'return loss, {"weights": dw, "bias": db}' in answer
    assert "def loss(self, X, y):" in answer


def test_a_file_s_dtype_may_be_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", X)
    words = ["check", "manual.Tanh", "--against", "torch.tanh", "--input", str(tmp_path / "x.npy")]
    for dtype in ("float64", "float32"):
        assert main([*words, "--dtype", dtype, "--json"]) == 0
        assert f'"dtype": "{dtype}"' in capsys.readouterr().out


# ---- weights that move in the code itself


class Steps:
    """A step is written into the weights with a rate that nobody names."""

    def __init__(self, rates: tuple[float, float] = (0.05, 0.05)) -> None:
        self.W, self.V, self.rates = normal(3, 4), normal(4, 2), rates

    def forward(self, x: Any) -> Any:
        self.x, self.h = x, np.tanh(x @ self.W)
        return self.h @ self.V

    def backward(self, g: Any) -> None:
        dh = g @ self.V.T * (1 - self.h**2)
        self.V = self.V - self.rates[0] * self.h.T @ g
        self.W = self.W - self.rates[1] * self.x.T @ dh


def test_a_rate_that_is_not_named_is_what_all_steps_have_in_common() -> None:
    checked = check_own(Steps(), X)
    assert checked.agrees, str(checked)
    assert "its learning rate is taken to be 0.05" in checked.warnings
    assert not check_own(Steps((0.05, -0.05)), X).agrees
    assert not check_own(Steps((0.05, 0.05 / 7)), X).agrees
    assert not check_own(Steps((-0.05, -0.05)), X).agrees


@pytest.mark.parametrize("name", ["alpha", "learning_rate"])
def test_a_default_stays_what_it_is(name: str) -> None:
    source = f"""
class Leaky:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0.3 * x)

    def backward(self, g, {name}=0.3):
        return np.where(self.x > 0, g, {name} * g)
"""
    space: dict[str, Any] = {"np": np, "__name__": "leaky"}
    exec(source, space)
    assert check_own(space["Leaky"](), X).agrees


def test_a_returned_gradient_that_lies_transposed_is_known_by_its_variable() -> None:
    def forward(x: Any, w: Any) -> Any:
        return x @ w, (x, w)

    def backward(dout: Any, cache: Any) -> Any:
        x, w = cache
        dx, dw = dout @ w.T, dout.T @ x
        return dx, dw

    checked = check_own((forward, backward), X, normal(3, 4))
    assert checked.diagnosis.verdicts, str(checked)
    assert checked.diagnosis.verdicts[0].kind == "transpose"


def test_more_arguments_than_are_named_are_handed_on() -> None:
    class Sum:
        def forward(self, *inputs: Any) -> Any:
            return sum(inputs)

        def backward(self, g: Any) -> Any:
            return g, g.copy()

    assert check_own(Sum(), X, normal(5, 3, seed=1)).agrees


def test_arrays_of_other_names_are_not_taken_for_weights_on_chance() -> None:
    class Unclear:
        def __init__(self) -> None:
            self.first, self.second = normal(4, 4), normal(4, 4)

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.first @ self.second

        def backward(self, g: Any) -> Any:
            self.dfirst, self.dsecond = self.x.T @ g @ self.second.T, (self.x @ self.first).T @ g
            return g @ self.second.T @ self.first.T

    with pytest.raises(CandidateError, match="which weight of the reference is not clear"):
        check_both(Unclear(), torch.nn.Linear(4, 4, bias=False), normal(5, 4))
