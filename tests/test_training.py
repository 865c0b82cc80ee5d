"""Training both sides: lockstep, experiments, the command line, and what TensorBoard gets."""

import json
import math
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import manual
from manual.article.figures import rounds
from manual.optim import adam
from manual.schedules.schedule import LRScheduler
from torch_ref.cli import main
from torch_ref.training import lockstep
from torch_ref.training.dashboard import DISTANCE, LOG_LOSS, OVERLAY, Dashboard, in_table
from torch_ref.training.experiment import Problem
from torch_ref.training.experiments import EXPERIMENTS
from torch_ref.training.experiments.xor import linear_floor
from torch_ref.training.lockstep import Lockstep, Step
from torch_ref.training.pictures import boundary, in_decades
from torch_ref.training.run_directory import reserve
from torch_ref.training.session import lockstep_of, train
from torch_ref.training.settings import (
    ACTIVATION_NAMES,
    OPTIMIZERS,
    SCHEDULES,
    SettingError,
    Settings,
)

from .cases.activations import ELEMENTWISE
from .conftest import public


def start(experiment: str, **options: Any) -> tuple[Settings, Lockstep, Problem]:
    settings = replace(EXPERIMENTS[experiment].defaults, **options).resolve()
    problem = EXPERIMENTS[experiment].build(settings)
    return settings, lockstep_of(problem), problem


def run(experiment: str, **options: Any) -> tuple[Lockstep, Problem, list[Step]]:
    settings, pair, problem = start(experiment, **options)
    batches = problem.data.batches(settings.batch_size, problem.generator)
    return pair, problem, [pair.step(*next(batches)) for _ in range(settings.steps)]


@pytest.mark.slow
@pytest.mark.parametrize("biases", ["fixed", "trained", "shared"])
@pytest.mark.parametrize("rule", ["simultaneous", "early"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_worked_example_by_every_rule(rule: str, biases: str, optimizer: str) -> None:
    _, _, steps = run("worked-example", rule=rule, biases=biases, optimizer=optimizer, steps=200)
    assert all(step.report.agrees for step in steps)
    if optimizer == "sgd":
        by_scalars = rounds({199}, rule, biases)[199]
        assert steps[-1].loss == pytest.approx(by_scalars["E_total"], rel=1e-12)
    assert {row.kind for row in steps[-1].report.rows} >= {"output", "gradient", "weight"}


@pytest.mark.slow
def test_digits_to_the_last_bits() -> None:
    """At least 96% of unseen digits, the same predictions, weights within 1e-12 at the end."""
    pair, problem, steps = run("digits-mlp")
    assert all(step.report.agrees for step in steps)
    assert problem.data.held_out is not None
    x, t = problem.data.held_out
    output, twin_output, *_ = pair.evaluate(x, t)
    guesses = output.argmax(axis=1)
    np.testing.assert_array_equal(guesses, twin_output.argmax(axis=1))
    assert (guesses == t).mean() >= 0.96
    for (name, mine), (_, theirs) in zip(pair.parameters, pair.twin_parameters, strict=True):
        distance = np.abs(mine.data - theirs.detach().numpy()).max() / np.abs(mine.data).max()
        assert distance <= 1e-12, name


def test_float32_is_compared_step_by_step() -> None:
    settings, pair, problem = start("digits-mlp", dtype="float32")
    assert settings.compare == "steps"
    batches = problem.data.batches(settings.batch_size, problem.generator)
    for _ in range(100):
        before = [p.data.copy() for p in pair.network.parameters()]
        step = pair.step(*next(batches))
        assert step.report.agrees, step.report
    assert all(row.dtype == np.float32 for row in step.report.rows if row.kind != "rate")
    assert any((p.data != b).any() for p, b in zip(pair.network.parameters(), before, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_digits_with_every_optimizer(optimizer: str, dtype: str) -> None:
    _, _, steps = run("digits-mlp", optimizer=optimizer, dtype=dtype, steps=40)
    assert all(step.report.agrees for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_digits_with_every_activation(activation: str, dtype: str) -> None:
    _, _, steps = run("digits-mlp", activation=activation, dtype=dtype, steps=40)
    assert all(step.report.agrees for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_digits_with_every_schedule(schedule: str, optimizer: str) -> None:
    pair, _, steps = run("digits-mlp", schedule=schedule, optimizer=optimizer, steps=40)
    assert all(step.report.agrees for step in steps)
    rates = [row for row in steps[-1].report.rows if row.kind == "rate"]
    assert len(rates) == 1
    moved = {group["lr"] for group in pair.optimizer.param_groups} != {1e-3}
    assert moved or schedule in ("constantlr", "reducelronplateau")


def test_every_public_optimizer_and_schedule_has_its_name() -> None:
    for base, known in ((manual.Optimizer, OPTIMIZERS), (LRScheduler, SCHEDULES)):
        assert {name.lower() for name in public(base)} == {*known}
    elementwise = {cls.__name__.lower() for cls in ELEMENTWISE} - {"threshold"}
    assert elementwise | {"identity", "prelu"} == {*ACTIVATION_NAMES}


@pytest.mark.slow
def test_xor_needs_a_nonlinearity() -> None:
    for activation, solved in (("identity", False), ("tanh", True), ("sigmoid", True)):
        pair, problem, steps = run("xor", activation=activation)
        output, twin_output, loss, twin_loss = pair.evaluate(problem.data.x, problem.data.t)
        right = (np.abs(output - problem.data.t) < 0.25).all()
        assert right == solved, activation
        assert (np.abs(twin_output - problem.data.t) < 0.25).all() == solved
        if not solved:
            assert min(loss, twin_loss) >= linear_floor(problem.data) * (1 - 1e-12)
            assert loss == pytest.approx(0.25)
        assert all(step.report.agrees for step in steps)


# Where training magnifies rounding, in trajectories that are never compared step by step.
MAGNIFYING: dict[str, dict[str, Any]] = {
    "adam-at-its-eps": {"experiment": "digits-mlp", "activation": "celu", "steps": 40},
    "elu": {"experiment": "digits-mlp", "activation": "elu", "steps": 40},
    "cancelling": {"experiment": "digits-mlp", "activation": "tanhshrink", "steps": 60},
    "rprop": {"experiment": "digits-mlp", "optimizer": "rprop", "steps": 150},
    "muon": {"experiment": "digits-mlp", "optimizer": "muon", "steps": 40},
    "muon-on-xor": {"experiment": "xor", "optimizer": "muon", "steps": 400},
    "muon-on-relu": {"experiment": "xor", "optimizer": "muon", "activation": "relu", "steps": 100},
    "muon-on-the-article": {"experiment": "worked-example", "optimizer": "muon", "steps": 900},
    "adam-for-long": {"experiment": "xor", "optimizer": "adam", "steps": 1_500},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MAGNIFYING)
def test_rounding_alone_is_never_accused(name: str) -> None:
    pair, _, steps = run(**MAGNIFYING[name])
    assert pair.compare == "trajectory"
    assert all(step.report.agrees for step in steps)
    # A verdict that another processor's rounding could tip would be no verdict.
    assert max(row.share for row, _ in pair.furthest.values()) < 0.7


def test_trajectories_are_brought_together_where_they_prove_nothing_any_more() -> None:
    pair, _, steps = run("xor", optimizer="muon", steps=400)
    assert 0 < pair.rejoined < 20
    half = 2 ** (np.finfo(float).nmant / 2)
    for step in steps:
        for row in step.report.rows:
            assert row.distance < 100 * half, (step.number, row)
    pair, _, _ = run("worked-example", steps=400)
    assert pair.rejoined == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MAGNIFYING)
@pytest.mark.parametrize("at", [1, 30])
def test_a_gradient_wrong_by_a_billionth_is_found_all_the_same(
    name: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first layer's weight, from the first or the 30th step on."""
    settings, pair, problem = start(**MAGNIFYING[name])
    batches = problem.data.batches(settings.batch_size, problem.generator)
    for _ in range(at - 1):
        assert pair.step(*next(batches)).report.agrees
    right, shape = manual.Linear.backward, next(problem.network.parameters()).shape

    def wrong(self: manual.Linear, g: Any) -> Any:
        returned = right(self, g)
        if self.weight.shape == shape and self.weight.grad is not None:
            self.weight.grad = self.weight.grad * (1 + 1e-9)
        return returned

    monkeypatch.setattr(manual.Linear, "backward", wrong)
    assert not pair.step(*next(batches)).report.agrees


def test_a_wrong_gradient_parts_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    right = manual.Tanh.backward
    monkeypatch.setattr(manual.Tanh, "backward", lambda self, g: right(self, g) * (1 + 1e-9))
    assert main(["train", "xor", "--steps", "30", "--logdir", str(tmp_path)]) == 1
    assert "DISAGREE, first at step 1: gradient layers.0" in capsys.readouterr().out


def test_a_wrong_update_parts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adam.math, "sqrt", lambda x: math.pow(x, 0.5 + 1e-8))
    _, _, steps = run("xor", optimizer="adam", steps=3)
    assert not steps[-1].report.agrees
    assert {row.kind for row in steps[0].report.rows if not row.agrees} == {"weight"}


# The command line


def backprop(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).parent / "backprop"
    return subprocess.run([script, *arguments], capture_output=True, text=True, cwd=cwd)


@pytest.mark.slow
def test_console_script_trains(tmp_path: Path) -> None:
    done = backprop("train", "worked-example", "--steps", "20", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # no progress bar off a terminal, and no warning
    for wanted in ("0.298371109", "0.291027774", "0.291027924", "By hand and autograd agree"):
        assert wanted in done.stdout
    assert "backprop board" in done.stdout
    assert all(
        len(line) <= 100 or "--" in line or "http" in line for line in done.stdout.split("\n")
    )
    saved = json.loads((tmp_path / "runs/worked-example/settings.json").read_text())
    assert saved["steps"] == 20
    assert saved["lr"] == 0.5


def test_help_and_list_do_not_import_torch() -> None:
    for arguments in (["--help"], ["train", "--help"], ["list"]):
        program = (
            "import sys; sys.modules['torch'] = None; from torch_ref.cli import main\n"
            f"sys.exit(main({arguments}))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "worked-example" in done.stdout


BAD = {
    "nonsense": "there is no experiment 'nonsense': choose from worked-example",
    "xor --lr -1": "--lr -1.0: expected a number from 0 up",
    "xor --lr nan": "--lr nan",
    "xor --lr inf": "--lr inf",
    "xor --lr x": "invalid float value: 'x'",
    "xor --steps 0": "--steps 0: expected at least 1",
    "xor --hidden 0": "--hidden 0: expected widths of at least 1",
    "xor --hidden 3,x": "expected widths, as in 128,64, not '3,x'",
    "xor --batch-size 5": "--batch-size 5: there are only 4 samples",
    "xor --batch-size 0": "--batch-size 0: expected at least 1",
    "xor --activation relo": "--activation relo: expected one of identity",
    "xor --optimizer best": "--optimizer best: expected one of sgd",
    "xor --schedule x": "--schedule x: expected one of steplr",
    "xor --dtype float16": "--dtype float16: expected float32 or float64",
    "xor --seed -1": "--seed -1: expected 0 or more",
    "xor --rule early": "--rule early: only worked-example has a choice of rule",
    "worked-example --optimizer muon --biases shared": "Muon trains matrices only",
    "worked-example --rule late": "--rule late: expected one of simultaneous, early",
    "worked-example --hidden 2,2": "--hidden (2, 2): expected one width",
    "xor --name ../x": "--name '../x': expected a plain name",
    "xor --name .": "--name '.': expected a plain name",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_gets_one_line(
    arguments: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code: Any = main(["train", *arguments.split()])
    except SystemExit as stopped:  # argparse's own way out
        code = stopped.code
    out, err = capsys.readouterr()
    assert code == 2
    assert not out
    assert err.count("\n") == 1
    assert BAD[arguments] in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_bad_input_as_a_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments in (["nonsense"], ["xor", "--lr", "nan"], ["xor", "--logdir", "file/runs"]):
        done = backprop("train", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_loss_that_runs_off_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "xor", "--lr", "50", "--logdir", str(tmp_path)]) == 3
    assert "diverged at step" in capsys.readouterr().err


def test_no_command_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "expected a command: list, train" in capsys.readouterr().err


def test_an_interrupted_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = Lockstep.step

    def step(self: Lockstep, x: Any, t: Any) -> Step:
        if self.steps == 5:
            raise KeyboardInterrupt
        return taken(self, x, t)

    monkeypatch.setattr(Lockstep, "step", step)
    assert main(["train", "xor", "--logdir", str(tmp_path)]) == 130
    assert "interrupted; what was logged so far is kept" in capsys.readouterr().err
    assert len(events(tmp_path / "xor" / "manual").Scalars("Loss/train")) == 1


@pytest.mark.slow
def test_a_closed_pipe_ends_it_without_a_word(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "backprop"
    run = f"{script} train xor --steps 20 --logdir {tmp_path} | head -n 1"
    done = subprocess.run(["bash", "-c", run], capture_output=True, text=True)
    assert done.stdout.count("\n") == 1
    assert not done.stderr


@pytest.mark.parametrize("rule", ["simultaneous", "early"])
@pytest.mark.parametrize("biases", ["fixed", "trained", "shared"])
def test_both_columns_of_the_articles_table_agree(
    rule: str, biases: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--rule", rule, "--biases", biases, "--steps", "2", "--logdir", str(tmp_path)]
    assert main(["train", "worked-example", *arguments]) == 0
    out = capsys.readouterr().out
    table = out[out.index("the article ") : out.index("What the article prints there is")]
    rows = [row.split() for row in table.splitlines()[1:] if "not run" not in row and row]
    assert len(rows) > 25
    for row in rows:
        printed, by_hand, by_autograd, *mark = row[-3:] if row[-1][0] != "(" else row[-4:]
        assert by_hand == by_autograd, row
        unit = 10.0 ** -len(printed.partition(".")[2])
        same = abs(float(printed) - float(by_hand)) < 0.6 * unit
        assert same or mark, row
    notes = out[out.index("What the article prints there is") :]
    assert "\n(1) :" not in notes


# TensorBoard


def events(path: Path) -> EventAccumulator:
    return EventAccumulator(
        str(path), size_guidance={"scalars": 0, "images": 0, "histograms": 0}
    ).Reload()


def test_event_files_hold_what_was_logged(tmp_path: Path) -> None:
    settings, pair, problem = start("digits-mlp", steps=12)
    batches = problem.data.batches(settings.batch_size, problem.generator)
    steps = []
    with Dashboard(reserve(tmp_path, None, "digits-mlp"), {"a": 1}, 12) as dashboard:
        for _ in range(12):
            steps.append(pair.step(*next(batches)))
            dashboard.log(steps[-1])
        dashboard.log_both("Accuracy/val", 0.25, 0.5, 12)
    mine, theirs, parity = (events(dashboard.path / side) for side in ("manual", "torch", "parity"))
    assert (
        mine.Tags()["scalars"]
        == theirs.Tags()["scalars"]
        == [
            "Loss/train",
            LOG_LOSS,
            "Accuracy/val",
        ]
    )
    for side, losses in (
        (mine, [step.loss for step in steps]),
        (theirs, [step.torch_loss for step in steps]),
    ):
        logged = side.Scalars("Loss/train")
        assert [point.step for point in logged] == list(range(1, 13))
        assert [point.value for point in logged] == [float(np.float32(loss)) for loss in losses]
    assert [point.value for point in theirs.Scalars("Accuracy/val")] == [0.5]
    for row in steps[6].report.rows:
        value = parity.Scalars(f"{DISTANCE}/{row.kind} {row.name}")[6].value
        wanted = math.log10(row.relative) if row.relative else -20
        assert value == pytest.approx(wanted, rel=1e-6)
    assert len(parity.Images(OVERLAY)) == 1
    assert json.loads((dashboard.path / "settings.json").read_text()) == {"a": 1}


def test_a_peak_between_two_points_is_not_lost(tmp_path: Path) -> None:
    _, pair, problem = start("xor")
    with Dashboard(reserve(tmp_path, None, "xor"), {}, 5_000) as dashboard:
        for n in range(1, 11):
            step = pair.step(problem.data.x, problem.data.t)
            row = replace(step.report.rows[0], distance=1e6 if n == 4 else 1.0)
            dashboard.log(replace(step, report=lockstep.Report([row])))
    parity = events(dashboard.path / "parity")
    logged = [point.value for point in parity.Scalars(f"{DISTANCE}/largest of all")]
    eps = np.finfo(float).eps
    assert logged == pytest.approx([math.log10(eps), math.log10(1e6 * eps)], rel=1e-6)


@pytest.mark.slow
def test_held_out_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = replace(EXPERIMENTS["digits-mlp"].defaults, steps=60).resolve()
    assert train(EXPERIMENTS["digits-mlp"].build(settings), tmp_path, "short").agrees
    for side in ("manual", "torch"):
        logged = events(tmp_path / "short" / side)
        assert {"Loss/train", "Loss/val", "Accuracy/val"} <= set(logged.Tags()["scalars"])
    assert "the same prediction for 359 of 359" in capsys.readouterr().out


def test_a_run_never_writes_into_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("xor", "xor-2"):
        assert main(["train", "xor", "--steps", "3", "--logdir", str(tmp_path)]) == 0
        assert f"runFilter=%5E{name}/" in capsys.readouterr().out
    assert main(["train", "xor", "--steps", "3", "--logdir", str(tmp_path), "--name", "xor"]) == 2
    assert "xor exists already" in capsys.readouterr().err
    assert len(list((tmp_path / "xor" / "manual").iterdir())) == 1


def test_settings_print_as_the_command_that_made_them() -> None:
    from torch_ref.cli import parse
    from torch_ref.commands.settings import experiment_of, settings_from

    for name in (*EXPERIMENTS, "iris", "moons", "diabetes"):
        experiment = experiment_of(name)
        settings = experiment.resolve(experiment.defaults)
        given = parse(["train", name, *shlex.split(settings.options())])
        assert settings_from(given, experiment) == settings
    with pytest.raises(SettingError):
        replace(settings, lr=-1.0).resolve()


@pytest.mark.slow
def test_the_dashboard_has_what_a_person_wants_to_look_at(tmp_path: Path) -> None:
    """Both kinds of problem: two inputs and a plane, images and what was misread."""
    for words in (("xor", "--steps", "40"), ("digits-mlp", "--steps", "40")):
        assert main(["train", *words, "--logdir", str(tmp_path)]) == 0
    for name, picture in (("xor", "Decision boundary"), ("digits-mlp", "Misread digits")):
        mine, theirs, parity = (events(tmp_path / name / s) for s in ("manual", "torch", "parity"))
        for side in (mine, theirs):
            scalars, histograms = side.Tags()["scalars"], side.Tags()["histograms"]
            assert {"Learning rate/group 0", "Update to weight, log10/layers.0.weight"} <= {
                *scalars
            }
            assert {"Weights/layers.0.weight", "Gradients/layers.0.bias"} <= {*histograms}
            steps = [e.step for e in side.Histograms("Weights/layers.0.weight")]
            assert 10 <= len(steps) < 20  # now and then, never every step
            overall = "Update to weight of all tensors, log10"
            assert {f"{overall}/largest", f"{overall}/smallest"} <= {*scalars}
        assert theirs.Tags()["graph"]
        assert {picture, "Loss of both/overlay"} <= {*parity.Tags()["images"]}
        tensors = parity.Tags()["tensors"]
        assert "Parity at the last step/text_summary" in tensors
        assert "custom_scalars__config__" in tensors
        (text,) = parity.Tensors("Parity at the last step/text_summary")
        assert text.tensor_proto.string_val[0].startswith(b"## By hand against autograd")
        assert b"layers.0.weight" in text.tensor_proto.string_val[0]
        for side, tag, about in (
            (mine, "Loss/train", "ahead of its step"),
            (parity, f"{DISTANCE}/largest of all", "the last bit of float64"),
        ):
            assert about in side.SummaryMetadata(tag).summary_description
        page = (tmp_path / name / "report.html").read_text("utf-8")
        assert not re.search(r'(src|href)="(?!#|data:)', page)  # nothing is fetched
        assert page.count("<svg") == 3  # two curves and the picture
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(set(ids)) == len(ids)
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
        assert "By hand and autograd agree at every step." in page
        assert picture in page
        metrics = {tag for tag in parity.Tags()["scalars"] if tag.startswith("final/")}
        assert metrics == {
            "final/loss by hand",
            "final/loss by autograd",
            "final/largest distance, log10",
            "final/share of right answers",
        }


def test_settings_in_the_table_of_all_runs() -> None:
    """Those that one looks for first, whole numbers whole, and nothing None."""
    settings = {"steps": 32, "hidden": (128, 64), "schedule": None, "optimizer": "adam", "lr": 0.1}
    shown = in_table(settings)
    assert [*shown][:3] == ["lr", "optimizer", "hidden"]
    expected = {"lr": 0.1, "optimizer": "adam", "hidden": "128-64", "steps": "32"}
    assert shown == {**expected, "schedule": "none"}


@pytest.mark.parametrize(("values", "ticks"), [((0.2, 0.9), False), ((0.01, 3), True)])
def test_a_scale_in_decades_has_numbers(values: tuple[float, float], ticks: bool) -> None:
    axes = Figure().subplots()
    axes.plot(values)
    in_decades(axes, values)
    assert axes.get_yscale() == ("log" if ticks else "linear")
    low, high = axes.get_ylim()
    seen = [t for t in axes.get_yticks() if low <= t <= high]
    assert 2 < len(seen) < 12


def test_an_output_that_is_the_same_everywhere_is_undecided() -> None:
    """What varies then is rounding, and draws no border."""
    x = np.array([[0.0, 0.0], [1.0, 1.0]])

    def evaluate(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        noise = np.random.default_rng(0).normal(size=len(points)) * 1e-16
        return 0.5 + noise, 0.5 - noise

    (axes,) = boundary(evaluate, x, np.array([0, 1])).axes
    assert axes.get_title() == "undecided: the output is\n0.5 everywhere"
    assert len(axes.collections) == 1  # the samples, no contour


def test_the_update_ratio_is_what_the_weights_moved(tmp_path: Path) -> None:
    """The first step of plain gradient descent: lr |g| / |w|, from the histogram's own run."""
    assert main(["train", "xor", "--steps", "1", "--logdir", str(tmp_path)]) == 0
    settings = EXPERIMENTS["xor"].defaults.resolve()
    network = EXPERIMENTS["xor"].build(settings).network
    weight = dict(network.named_parameters())["layers.0.weight"].data
    mine = events(tmp_path / "xor" / "manual")
    (found,) = mine.Scalars("Update to weight, log10/layers.0.weight")
    size = np.linalg.norm(weight)
    (histogram,) = mine.Histograms("Gradients/layers.0.weight")
    gradient = np.sqrt(histogram.histogram_value.sum_squares)
    assert found.value == pytest.approx(np.log10(settings.lr * gradient / size), rel=1e-5)


def test_a_board_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["--logdir", str(tmp_path / "none")], "there is no such directory yet"),
        (["--logdir", str(tmp_path), "--port", "99999"], "expected 1 to 65535"),
    ):
        assert main(["board", *words]) == 2
        assert message in capsys.readouterr().err
