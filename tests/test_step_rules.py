"""`check` of step rules and schedules: forms taken and refused, mistakes named and nothing else."""

import json
import math
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.checking.check import check
from torch_ref.checking.layouts import CandidateError
from torch_ref.checking.step_rules.check import check_step_rule
from torch_ref.checking.step_rules.formulas import FORMULAS
from torch_ref.checking.step_rules.mistakes import FIXES, mistakes
from torch_ref.checking.step_rules.problem import drawn
from torch_ref.checking.step_rules.reference import (
    allowed_for,
    formula_path,
    measured,
    options_of,
    reference_path,
)
from torch_ref.checking.step_rules.schedules import check_schedule
from torch_ref.cli import main

from .faulty_steps import ADAM_AS_IN_TENSORFLOW, ADAM_IN_A_LIST, MISTAKES, RIGHT, UNKNOWN


def load(text: str) -> Any:
    """The rule that a text defines."""
    module: Any = types.ModuleType("theirs")
    module.np = np
    exec(text, module.__dict__)
    return module.Rule if hasattr(module, "Rule") else module.rule


def checked(text: str, rule: str, options: dict[str, Any], **more: Any) -> Any:
    return check_step_rule(load(text), getattr(torch.optim, rule), options, **more)


def kinds(found: Any) -> list[str]:
    return [verdict.kind for verdict in found.diagnosis.verdicts]


# ---- what is right


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_rule_agrees_in_every_form(name: str) -> None:
    text, rule, options = RIGHT[name]
    if name == "SGD, gradients at once":  # its decay is another: without it, it is right
        options = {"lr": 0.1}
    found = checked(text, rule, options)
    assert found.agrees, str(found)
    assert found.diagnosis.agrees
    assert [row.name for row in found.report.rows][:2] == ["W1", "b1"]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.1},
    {"lr": 0.1, "maximize": True},
    {"eps": 1e-3},
    {"lr": 0.5, "weight_decay": 1.5},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("rule", [*FORMULAS, "RAdam"])
def test_the_rules_by_hand_and_pytorch_s_own_agree(rule: str, options: dict[str, Any]) -> None:
    options = {k: v for k, v in options.items() if rule != "SGD" or k != "eps"}
    theirs = getattr(torch.optim, rule)
    for seed in range(3):
        assert check_step_rule(getattr(manual, rule), theirs, options, seed=seed).agrees
        assert check_step_rule(theirs, theirs, options, seed=seed).agrees


@pytest.mark.parametrize("rule", ["Rprop", "ASGD", "Muon"])
def test_rules_without_a_formula_agree_too(rule: str) -> None:
    assert check_step_rule(getattr(manual, rule), getattr(torch.optim, rule))


def test_what_an_option_makes_of_a_rule_is_compared() -> None:
    for rule, options in (
        ("Adam", {"amsgrad": True, "betas": (0.5, 0.3)}),
        ("Adam", {"eps": 0.0}),
        ("Adam", {"betas": (0.0, 0.0)}),
        ("RMSprop", {"centered": True, "alpha": 0.0}),
        ("SGD", {"lr": 10.0, "weight_decay": 3.0, "momentum": 0.99}),
    ):
        mine, theirs = getattr(manual, rule), getattr(torch.optim, rule)
        assert check_step_rule(mine, theirs, options, steps=30)
    without = check_step_rule(
        manual.Adam,
        torch.optim.Adam,
        {"amsgrad": True, "betas": (0.5, 0.3)},
        mine_options={"amsgrad": False},
    )
    assert kinds(without) == ["option-ignored"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("rule", FORMULAS)
def test_without_a_mistake_the_formula_is_pytorch_s(rule: str, options: dict[str, Any]) -> None:
    """And no mistake of the catalogue that changes anything is within what rounding explains."""
    options = {k: v for k, v in options.items() if rule != "SGD" or k != "eps"}
    kind, problem = getattr(torch.optim, rule), drawn(8, 1e-8, 3)
    theirs, _ = reference_path(kind, options, problem)
    everything = options_of(kind, options)

    def path(moves: Any) -> Any:
        return formula_path(rule, everything, problem, moves)

    allowed = allowed_for(path, theirs)
    assert measured(path(None), theirs, allowed).agrees
    assert max(allowed.explained.values()) < 1e5
    far = set()
    for mistake in mistakes(rule, everything, False):
        wrong = formula_path(rule, {**everything, **mistake.changes}, problem)
        report = measured(wrong, theirs, allowed)
        if not report.agrees:
            far.add(mistake.kind)
            assert report.worst.share > 100, mistake.what
    assert "added" in far


def test_some_gradients_are_as_small_as_epsilon_and_some_zero() -> None:
    gradients = [g.ravel() for of_step in drawn(8, 1e-6, 0).gradients for g in of_step]
    sizes = np.abs(np.concatenate(gradients))
    assert ((sizes > 1e-7) & (sizes < 1e-5)).sum() > 10
    assert (sizes == 0).sum() > 20
    assert sizes.max() > 1


def test_more_steps_and_a_rounding_of_its_own() -> None:
    """The powers of β made by a running product, and ε moved into the correction: a right Adam."""
    text = ADAM_IN_A_LIST.replace("b1**self.t", "np.exp(self.t * np.log(b1))").replace(
        "p -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)",
        "c = np.sqrt(1 - b2**self.t)\n"
        "            p -= self.lr * c * m_hat / (np.sqrt(self.v[i]) + c * self.eps)",
    )
    text = text.replace("b2**self.t", "(b2**self.t + 2.2e-16)")  # a rounding of the power
    for steps in (1, 2, 60):
        assert checked(text, "Adam", {"lr": 0.1}, steps=steps).agrees


# ---- mistakes


@pytest.mark.parametrize(
    ("name", "old", "new", "kind"), MISTAKES, ids=lambda value: " ".join(str(value).split())[:30]
)
def test_a_mistake_is_named_and_nothing_else(name: str, old: str, new: str, kind: str) -> None:
    text, rule, options = RIGHT[name]
    assert old in text
    found = checked(text.replace(old, new), rule, options)
    assert not found.agrees
    assert kinds(found) == [kind], str(found)
    assert found.diagnosis.verdicts[0].fix


@pytest.mark.parametrize(("name", "old", "new"), UNKNOWN, ids=lambda value: str(value)[:30])
def test_what_the_catalogue_does_not_know_gets_no_name(name: str, old: str, new: str) -> None:
    text, rule, options = RIGHT[name]
    assert old in text
    found = checked(text.replace(old, new), rule, options)
    assert not found.agrees
    assert kinds(found) == []
    assert "mistakes tried gives these numbers" in str(found)
    assert "first wrong, step by step: W1 after step" in str(found)


def test_two_mistakes_are_both_named() -> None:
    text = ADAM_IN_A_LIST.replace("np.sqrt(v_hat) + self.eps", "np.sqrt(v_hat + self.eps)")
    found = checked(text.replace("p -= ", "p += "), "Adam", {})
    assert len(kinds(found)) == 1
    assert set(kinds(found)[0].split(" + ")) == {"added", "epsilon-place"}


def test_decay_beside_the_step_is_named_though_momentum_is_none() -> None:
    text, rule, options = RIGHT["SGD, gradients at once"]
    found = checked(text.replace("1 - self.lr * self.decay", "1 - self.decay"), rule, options)
    assert kinds(found) == ["decay-without-rate"]


def test_decay_after_the_step_is_named() -> None:
    text, rule, options = RIGHT["AdamW, objects"]
    (shrinking,) = [line for line in text.splitlines(True) if "*= 1 - self.lr" in line]
    found = checked(text.replace(shrinking, "") + shrinking, rule, options)
    assert kinds(found) == ["decay-place"]


class OpenMomentum:
    """With whatever options, by name, and one precision for all that it keeps."""

    def __init__(self, params: Any, **options: Any) -> None:
        self.params = params
        self.lr, self.momentum = options["lr"], options.get("momentum", 0.0)
        self.v = [np.zeros(p.shape, options.get("precision", np.float64)) for p in params]

    def step(self, grads: Any) -> None:
        for p, g, v in zip(self.params, grads, self.v, strict=True):
            v *= self.momentum
            v += g.astype(v.dtype)
            p -= self.lr * v


def test_options_by_name_and_a_state_in_single_precision() -> None:
    options = {"lr": 0.1, "momentum": 0.9}
    assert check_step_rule(OpenMomentum, torch.optim.SGD, options)
    single = check_step_rule(
        OpenMomentum, torch.optim.SGD, options, mine_options={"precision": np.float32}
    )
    assert not single
    assert kinds(single) == []
    assert any("as rounding in float32 is" in text for text in single.warnings)


def test_an_object_s_state_that_is_kept_otherwise_is_said() -> None:
    text, rule, options = RIGHT["momentum, a dict"]
    found = checked(text, rule, options)
    assert found
    assert found.warnings == [
        "momentum_buffer is kept in another form than PyTorch's; the weights agree all the same"
    ]
    assert not checked(*RIGHT["Adam, a list"]).warnings


def test_one_object_for_each_array_is_said() -> None:
    found = checked(*RIGHT["RMSprop, one array"])
    assert found.warnings[0].startswith("run with one object for each array")
    assert checked(*RIGHT["Adam, from zero"]).warnings[0] == "t is 0 in the first step"


def test_an_option_that_mine_has_no_name_for_is_said() -> None:
    text, rule, _ = RIGHT["momentum, a dict"]
    found = checked(text, rule, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1})
    assert kinds(found) == ["no-decay"]
    assert found.warnings[0] == "Rule has no argument weight_decay: it was not handed on"


def test_every_kind_has_its_remedy_and_every_formula_its_mistakes() -> None:
    for rule in FORMULAS:
        options = options_of(getattr(torch.optim, rule), {})
        listed = mistakes(rule, options, True)
        assert len(listed) > 20
        assert all(m.kind in FIXES and "{" not in m.fix for m in listed)


def test_a_rule_without_a_formula_is_compared_and_not_named() -> None:
    class Rule:
        def __init__(self, params: Any, lr: float) -> None:
            self.params, self.lr = params, lr

        def step(self, grads: Any) -> None:
            for p, g in zip(self.params, grads, strict=True):
                p -= self.lr * g

    found = check_step_rule(Rule, torch.optim.RAdam, {"lr": 0.1})
    assert not found.agrees
    assert "not tried: the mistakes of RAdam" in str(found)


# ---- what is refused


class NoStep:
    pass


def no_gradient(w: Any, lr: float) -> Any:
    return w


def no_name(w: Any, dw: Any, foo: Any) -> Any:
    return w


def idle(w: Any, dw: Any) -> None:
    w = w - dw


def raising(params: Any, grads: Any) -> None:
    raise ArithmeticError("not yet")


@pytest.mark.parametrize(
    ("mine", "message"),
    [
        (NoStep, r"the class NoStep has no step: expected a class with step\(\) or update\(\)"),
        (no_gradient, r"no_gradient takes no gradient: expected .* a function update\(w, dw, conf"),
        (no_name, "no_name: what is its argument foo\\? .* hand it in with --mine-args foo=VALUE"),
        (idle, "idle moves no weight: return the new weights, or change them in place"),
        (raising, r"raising raised ArithmeticError at test_step_rules.py:\d+: not yet"),
        (3, "int is no step rule: expected a class with step"),
    ],
)
def test_what_is_not_taken_is_refused_with_what_to_type(mine: Any, message: str) -> None:
    with pytest.raises(CandidateError, match=message) as refused:
        check_step_rule(mine, torch.optim.SGD, {"lr": 0.1})
    assert "\n" not in str(refused.value)


def test_a_reference_that_wants_more_than_gradients_is_refused() -> None:
    with pytest.raises(CandidateError, match="LBFGS raised TypeError"):
        check_step_rule(OpenMomentum, torch.optim.LBFGS)


def test_values_by_mine_s_own_names() -> None:
    def scaled(w: Any, dw: Any, foo: float) -> Any:
        return w - foo * dw

    given = {"foo": 0.1}
    assert check_step_rule(scaled, torch.optim.SGD, {"lr": 0.1}, mine_options=given).agrees
    with pytest.raises(CandidateError, match="scaled has no argument bar"):
        check_step_rule(scaled, torch.optim.SGD, mine_options={"foo": 1.0, "bar": 2.0})


# ---- schedules


def cosine(t: int, lr: float, T_max: int) -> float:
    return lr * (1 + math.cos(math.pi * t / T_max)) / 2


class Cosine:
    def __init__(self, optimizer: Any, T_max: int) -> None:
        self.optimizer, self.T_max, self.t, self.base = optimizer, T_max, 0, optimizer.lr

    def step(self) -> None:
        self.t += 1
        self.optimizer.lr = cosine(self.t, self.base, self.T_max)


class Late(Cosine):
    def step(self) -> None:
        self.optimizer.lr = cosine(self.t, self.base, self.T_max)
        self.t += 1


class Returning:
    def __init__(self, lr: float, gamma: float) -> None:
        self.now, self.gamma = lr, gamma

    def step(self) -> float:
        self.now *= self.gamma
        return self.now


class Called:
    def __init__(self, base_lr: float, total_iters: int) -> None:
        self.base, self.iters = base_lr, total_iters

    def __call__(self, step: int) -> float:
        return self.base * (1 / 3 + 2 / 3 * min(step, self.iters) / self.iters)


def falling(lr: float, gamma: float) -> Any:
    while True:
        yield lr
        lr *= gamma


COSINE, PLATEAUS = {"T_max": 10}, {"step_size": 3, "gamma": 0.5}
SCHEDULES: dict[str, tuple[Any, str, dict[str, Any], str]] = {
    "function": (cosine, "CosineAnnealingLR", COSINE, ""),
    "class": (Cosine, "CosineAnnealingLR", COSINE, ""),
    "that returns": (Returning, "ExponentialLR", {"gamma": 0.9}, ""),
    "that is called": (Called, "LinearLR", {"total_iters": 5}, ""),
    "generator": (falling, "ExponentialLR", {"gamma": 0.9}, ""),
    "by hand": (manual.CosineAnnealingLR, "CosineAnnealingLR", COSINE, ""),
    "PyTorch's": (torch.optim.lr_scheduler.StepLR, "StepLR", PLATEAUS, ""),
    "that ends": (
        lambda t, lr, T_max: cosine(min(t, T_max), lr, T_max),
        "CosineAnnealingLR",
        COSINE,
        "",
    ),
    "ahead": (
        lambda t, lr, T_max: cosine(t + 1, lr, T_max),
        "CosineAnnealingLR",
        COSINE,
        "schedule-off-by-one",
    ),
    "behind": (Late, "CosineAnnealingLR", COSINE, "schedule-off-by-one"),
    "steps ahead": (
        lambda epoch, lr, step_size, gamma: lr * gamma ** ((epoch + 1) // step_size),
        "StepLR",
        PLATEAUS,
        "schedule-off-by-one",
    ),
    "factor": (
        lambda t, T_max: cosine(t, 1, T_max),
        "CosineAnnealingLR",
        COSINE,
        "factor-for-rate",
    ),
    "whole period": (
        lambda t, lr, T_max: cosine(2 * t, lr, T_max),
        "CosineAnnealingLR",
        COSINE,
        "half-period",
    ),
    "no floor": (cosine, "CosineAnnealingLR", {**COSINE, "eta_min": 0.01}, "option-ignored"),
    "one fewer": (
        lambda t, lr, T_max: cosine(t, lr, T_max - 1),
        "CosineAnnealingLR",
        COSINE,
        "count-off-by-one",
    ),
    "inverse": (
        lambda t, lr, gamma: lr / gamma**t,
        "ExponentialLR",
        {"gamma": 0.9},
        "inverse",
    ),
    "unknown": (lambda t, lr: lr / (1 + t), "ExponentialLR", {"gamma": 0.9}, "none"),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str) -> None:
    mine, kind, options, expected = SCHEDULES[name]
    found = check_schedule(mine, getattr(torch.optim.lr_scheduler, kind), options)
    assert found.agrees == (expected == ""), str(found)
    assert kinds(found) == ([expected] if expected not in ("", "none") else [])


def test_schedules_that_are_refused() -> None:
    plateau, exponential = (
        getattr(torch.optim.lr_scheduler, name) for name in ("ReduceLROnPlateau", "ExponentialLR")
    )
    with pytest.raises(CandidateError, match="ReduceLROnPlateau follows a measure"):
        check_schedule(cosine, plateau)
    with pytest.raises(CandidateError, match="cosine: what is its argument T_max"):
        check_schedule(cosine, exponential, {"gamma": 0.9})
    with pytest.raises(CandidateError, match="the class NoStep has no step"):
        check_schedule(NoStep, exponential, {"gamma": 0.9})
    with pytest.raises(CandidateError, match="ExponentialLR raised TypeError"):
        check_schedule(cosine, exponential)


# ---- the command


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["check", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


ADAM = ("--against", "torch.optim.Adam", "--args", "lr=1e-3")


def test_tensorflow_s_epsilon(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It gives PyTorch's weights to many digits, until a gradient is as small as ε."""
    mine = tmp_path / "mine.py"
    mine.write_text(f"import numpy as np\n{ADAM_AS_IN_TENSORFLOW}")
    code, out, _ = run(capsys, f"{mine}:Rule", *ADAM)
    assert code == 1
    assert "verdict: epsilon-place: ε is added before the bias correction" in out


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    wrong = ADAM_IN_A_LIST.replace("p -= ", "p += ")
    mine.write_text(f"import numpy as np\n{ADAM_IN_A_LIST}\n{wrong.replace('Rule', 'Wrong')}")
    code, out, err = run(capsys, f"{mine}:Rule", *ADAM)
    assert (code, err) == (0, "")
    assert out.endswith("result: agrees\n")
    assert run(capsys, f"{mine}:Rule", "--against", "manual.Adam", "--lr", "0.1")[0] == 0
    code, out, _ = run(capsys, f"{mine}:Wrong", *ADAM, "--json", "--steps", "3", "--seed", "4")
    assert code == 1
    found = json.loads(out)
    assert found["rows"][0]["shape"] == [4, 4, 3]
    assert [verdict["kind"] for verdict in found["diagnosis"]["verdicts"]] == ["added"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*ADAM, "--input", "5,3"], "--input is for layers"),
        ([*ADAM, "--dtype", "float32"], "--dtype float32: step rules are compared in float64"),
        (["--against", "torch.optim.Adam", "--args", "3"], "--args 3: expected a name too"),
        (["--against", "torch.optim.SGD", "--args", "lr=-1"], "SGD raised ValueError: Invalid"),
        (["--against", "torch.optim.SGD", "--args", "momentun=1"], "SGD raised TypeError"),
    ],
)
def test_options_that_do_not_fit(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(f"import numpy as np\n{ADAM_IN_A_LIST}")
    code, _, err = run(capsys, f"{mine}:Rule", *words)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


# ---- as a function, and beside the line


def test_the_function_takes_step_rules_and_schedules() -> None:
    rule = load(ADAM_IN_A_LIST)
    assert check(rule, torch.optim.Adam, lr=0.1)
    assert check(rule, torch.optim.Adam([torch.zeros(1)], lr=0.1, eps=1e-4))
    assert check(rule, torch.optim.Adam, options={"betas": (0.5, 0.8)}, steps=3, seed=1)
    wrong = check(load(ADAM_AS_IN_TENSORFLOW), torch.optim.Adam)
    assert not wrong
    schedules = torch.optim.lr_scheduler
    assert check(cosine, schedules.CosineAnnealingLR, options={"T_max": 10}, lr=0.3)
    assert not check(Late, schedules.CosineAnnealingLR, options={"T_max": 10})
    with pytest.raises(CandidateError, match="a step rule is given tensors"):
        check(rule, torch.optim.Adam, np.ones(3))
    with pytest.raises(CandidateError, match="options are an optimizer's or a schedule's"):
        check(rule, torch.nn.Tanh(), np.ones(3), options={"lr": 1.0})


def test_an_adamw_that_was_made_already() -> None:
    text, _, _ = RIGHT["AdamW, objects"]
    made = torch.optim.AdamW([torch.zeros(1)], lr=0.1, weight_decay=0.3)
    assert check(load(text), made)


def test_lists_are_inputs() -> None:
    class Distance:
        def forward(self, x: Any, y: Any) -> Any:
            self.difference = x - y
            return (self.difference**2).sum(axis=-1)

        def backward(self, g: Any) -> Any:
            dx = 2 * self.difference * g[:, None]
            return dx, -dx

    def reference(x: Any, y: Any) -> Any:
        return ((x - y) ** 2).sum(-1)

    x, y = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    for inputs in ([x, y],), (x.tolist(), y.tolist()), (x, y):
        found = check(Distance(), reference, *inputs)
        assert found, str(found)
        assert [row.shape for row in found.report.rows] == [(3,), (3, 2), (3, 2)]
    with pytest.raises(CandidateError, match="lists of unequal lengths"):
        check(Distance(), reference, [[1.0], [1.0, 2.0]])


def test_sarif_names_the_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"import numpy as np\n{ADAM_AS_IN_TENSORFLOW}"
    Path("mine.py").write_text(text)
    assert run(capsys, "mine.py:Rule", *ADAM, "--sarif", "out.sarif")[0] == 1
    (found,) = json.loads(Path("out.sarif").read_text())["runs"]
    (result,) = found["results"]
    place = result["locations"][0]["physicalLocation"]
    assert result["ruleId"] == "epsilon-place"
    assert found["tool"]["driver"]["rules"] == [{"id": "epsilon-place"}]
    assert place["artifactLocation"] == {"uri": "mine.py"}
    assert "def step" in text.splitlines()[place["region"]["startLine"] - 1]
    right = f"import numpy as np\n{ADAM_IN_A_LIST}\ndef idle(x, y):\n    return x\n"
    Path("mine.py").write_text(right)
    assert run(capsys, "mine.py:Rule", *ADAM, "--sarif", "out.sarif")[0] == 0
    assert json.loads(Path("out.sarif").read_text())["runs"][0]["results"] == []
    code, _, err = run(capsys, "mine.py:Rule", *ADAM, "--sarif", "no/out.sarif")
    assert code == 2
    assert "--sarif no/out.sarif" in err


def test_sarif_of_a_layer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a wrong gradient the backward's line, of a wrong output the forward's."""
    monkeypatch.chdir(tmp_path)
    layer = (
        "import numpy as np\n\nclass Tanh:\n    def forward(self, x):\n"
        "        self.y = np.tanh(x)\n        return self.y\n"
        "    def backward(self, g):\n        return g * (1 - self.y)\n"
    )
    for wrong, line in ((layer, 7), (layer.replace("np.tanh", "np.sinh"), 4)):
        Path("mine.py").write_text(wrong)
        words = ("--against", "torch.nn.Tanh", "--input", "5,3", "--sarif", "out.sarif")
        assert run(capsys, "mine.py:Tanh", *words)[0] == 1
        results = json.loads(Path("out.sarif").read_text())["runs"][0]["results"]
        regions = [r["locations"][0]["physicalLocation"]["region"] for r in results]
        assert regions[0] == {"startLine": line}
