"""Data and networks of one's own, trained on both sides: from the command line and from Python."""

import csv
import gc
import math
import runpy
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import manual
from torch_ref import train_both
from torch_ref.cli import main
from torch_ref.safe_files import InputError
from torch_ref.training import experiment, own, pictures, session
from torch_ref.training.curves import Tables
from torch_ref.training.experiment import Run
from torch_ref.training.lockstep import Lockstep, Step
from torch_ref.training.settings import ACTIVATION_NAMES, DivergenceError, SettingError

ROOT = Path(__file__).parent.parent
Capture = pytest.CaptureFixture[str]

NETWORKS = """
import torch
import manual
from torch import nn


class Half(nn.Module):
    def forward(self, x):
        return x / 2


class HalfByHand(manual.Module):
    twin_class = Half

    def forward(self, x):
        self.save_for_backward()
        return x / 2

    def backward(self, g):
        self.take_saved(g)
        return g / 2


class Alone(manual.Module):
    def __init__(self):
        super().__init__()
        self.layer = manual.Linear(4, 3)

    def forward(self, x):
        return self.layer(x)


def by_hand():
    return manual.Sequential(manual.Linear(4, 5), HalfByHand(), manual.Linear(5, 3))


def of_pytorch():
    return nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), Half(), nn.ReLU(inplace=True), nn.Dropout(0.1),
        nn.Linear(5, 3),
    )


made = nn.Sequential(nn.Linear(4, 3))
number = 3


def without_twin():
    return nn.Sequential(nn.Linear(4, 3), nn.RReLU())


def of_other_inputs():
    return manual.Linear(5, 3)


def of_other_outputs():
    return manual.Linear(4, 2)


def of_two_inputs():
    return manual.Linear(2, 2)


def that_fails():
    return 1 / 0


def that_returns_none():
    return None


def without_weights():
    return nn.Tanh()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, but for a file with networks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETWORKS)
    return tmp_path


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Every run that is begun from here on."""
    begun: list[Run] = []
    make = experiment.Run

    def note(*args: Any) -> Run:
        begun.append(make(*args))
        return begun[-1]

    monkeypatch.setattr(session, "Run", note)
    return begun


def images(path: Path) -> set[str]:
    return {*EventAccumulator(str(path / "parity")).Reload().Tags()["images"]}


# ---- data, on the command line


@pytest.mark.slow
def test_iris_is_learnt_by_both_sides(here: Path, runs: list[Run], capsys: Capture) -> None:
    assert main(["train", "iris"]) == 0
    ((mine, theirs),) = [run.scores() for run in runs]
    assert mine == theirs >= 0.95
    out = capsys.readouterr().out
    assert "150 samples of 4 numbers (sepal length (cm), " in out
    assert "target: 3 classes (setosa, versicolor, virginica)" in out
    assert "120 to train on, 30 held out; numbers standardized" in out
    assert "--loss cross-entropy" in out
    assert "By hand and autograd agree at every step." in out
    assert "http://localhost:6006/?runFilter=%5Eiris/" in out


TRAINS: dict[str, tuple[str, str, set[str]]] = {
    "classes": ("wine --layers 8", "3 classes (class_0, class_1, class_2)", set()),
    "numbers": ("diabetes --loss huber", "target: a number", set()),
    "no hidden layer": ("iris --target 1 --no-standardize", "sepal length (cm): a number", set()),
    "an activation for each layer": (
        "breast_cancer --layers 5,4 --activation tanh,prelu",
        "Tanh(), Linear(5, 4, dtype='float64'), PReLU(",
        set(),
    ),
    "two inputs, classes": (
        "moons --loss multi-margin",
        "MultiMarginLoss()",
        {"Decision boundary"},
    ),
    "two inputs, a number": (
        "diabetes --drop 1,2,4,5,6,7,8,10",
        "2 numbers (bmi, s5)",
        {"Surface"},
    ),
    "float32": ("circles --dtype float32", "--compare steps", {"Decision boundary"}),
    "all of it": ("digits --hold-out 0", "1,797 to train on, 0 held out", set()),
    "epochs": ("iris --epochs 2 --batch-size 50", "--steps 6 ", set()),
}


@pytest.mark.parametrize("name", TRAINS)
def test_data_of_ones_own_is_trained_on(name: str, here: Path, capsys: Capture) -> None:
    words, printed, drawn = TRAINS[name]
    steps = [] if name == "epochs" else ["--steps", "4"]
    assert main(["train", *words.split(), *steps]) == 0
    assert printed in capsys.readouterr().out
    (path,) = (here / "runs").iterdir()
    assert path.name == words.split()[0]
    assert images(path) == drawn | {"Loss of both/overlay"}
    state = load_file(path / "weights.safetensors")
    assert {values.dtype.name for values in state.values()} == {
        "float32" if name == "float32" else "float64"
    }


def test_a_table_goes_all_the_way(here: Path, runs: list[Run], capsys: Capture) -> None:
    """A straight line is found, in the target's own units, and what is printed does it again."""
    rows = [f"{i},{'old' if i % 2 else 'new'},{3 * i + 100 * (i % 2)}" for i in range(60)]
    (here / "my houses (1).csv").write_text("\n".join(["size,state,price", *rows]))
    words = ["--target", "price", "--layers", "8", "--lr", "0.03", "--steps", "300"]
    assert main(["train", "my houses (1).csv", *words]) == 0
    assert (here / "runs/my-houses-1-").is_dir()
    assert runs[0].scores()[0] > 0.99
    out = capsys.readouterr().out
    mine, theirs = runs[0].scores()
    assert f"Held-out R squared: {mine:.4f} by hand, {theirs:.4f} by autograd" in out
    assert "Held-out error of price, root mean square: " in out
    (command,) = [line for line in out.splitlines() if " train 'my houses (1).csv' --" in line]
    assert "--target price --loss mse --hold-out 0.2 --standardize --header auto" in command
    assert {*runs[0].problem.experiment.notes(runs[0].problem)} == {
        "inputs",
        "target",
        "input mean",
        "input deviation",
        "target mean",
        "target deviation",
    }


REFUSED = {
    "nonsense": "there is no experiment 'nonsense': choose from worked-example, xor",
    "none.csv": "none.csv: there is no such file",
    "nets.py:made": "nets.py:made: expected --data, what to train it on",
    "nets.py:none --data iris": "there is no none in nets.py",
    "none.py:made --data iris": "none.py: there is no such file",
    "nets.py:made --data none.csv": "none.csv: there is no such file",
    "nets.py:made --data iris --layers 4": "expected none: nets.py:made has its own layers",
    "nets.py:made --data iris --activation relu": "expected none: nets.py:made has its own layers",
    "nets.py:number --data iris": "nets.py:number: of type int, expected a network",
    "nets.py:without_twin --data iris": "RReLU has no class by hand: it takes a class derived",
    "nets.py:Alone --data iris": "Alone has no twin in torch_ref.models or torch.nn; a class of",
    "nets.py:of_other_inputs --data iris": "fails on samples (2, 4): ValueError: Linear(5, 3",
    "nets.py:of_other_outputs --data iris": "gives (2, 2) for 2 samples, expected (2, 3), a score",
    "nets.py:of_two_inputs --data moons --loss mse": "expected (2, 1), as many numbers as the",
    "nets.py:that_fails --data iris": "nets.py:that_fails raised ZeroDivisionError at nets.py",
    "nets.py:that_returns_none --data iris": "returns a NoneType, expected a manual.Module or a",
    "nets.py:without_weights --data iris": "there is nothing to train in it",
    "iris --data wine": "--data wine: expected nothing: iris is the data",
    "iris --loss mse": "target: names, as 'setosa' is one, expected numbers",
    "iris --loss l3": "--loss l3: expected one of cross-entropy, multi-margin, mse",
    "iris --activation relu,tanh,relu": "expected one, or 2, as many as there are hidden layers",
    "iris --activation relo": "--activation relo: expected one of identity",
    "iris --layers 0": "--hidden (0,): expected widths of at least 1",
    "iris --hold-out 1": "--hold-out 1.0: expected a share from 0, below 1",
    "iris --hold-out -0.1": "--hold-out -0.1: expected a share from 0, below 1",
    "iris --hold-out 0.999": "--hold-out 0.999: expected some of 150 samples to be left",
    "iris --epochs 0": "--epochs 0: expected at least 1",
    "iris --epochs 2 --batch-size 0": "--batch-size 0: expected at least 1",
    "iris --epochs 2 --steps 2": "--steps and --epochs: expected one of the two",
    "iris --steps 0": "--steps 0: expected at least 1",
    "iris --batch-size 121": "--batch-size 121: there are only 120 samples",
    "iris --target x": "--target x: there is no such column in iris; it has sepal length",
    "iris --header maybe": "--header maybe: expected one of auto, yes, no",
    "iris --rule early": "--rule early: only worked-example has a choice of rule",
    "xor --hold-out 0.1": "--hold-out 0.1: only DATA has a choice of hold-out",
    "xor --no-standardize": "--standardize False: only DATA has a choice of standardize",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_trained_gets_one_line(words: str, here: Path, capsys: Capture) -> None:
    assert main(["train", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert REFUSED[words] in err
    assert not (here / "runs").exists()


def test_every_layer_has_its_activation() -> None:
    for name in ACTIVATION_NAMES:
        made = own.Own("iris")
        settings = own.replace(made.defaults, hidden=(3, 2), activation=f"{name},tanh")
        network: Any = made.build(made.resolve(settings)).network
        kinds = [type(part).__name__ for part in network]
        assert kinds == ["Linear", ACTIVATION_NAMES[name], "Linear", "Tanh", "Linear"]


@pytest.mark.slow
def test_memory_stays_flat_on_a_large_table(here: Path, runs: list[Run]) -> None:
    """100,000 rows of 20 inputs: what is taken does not grow from step to step."""
    x = np.random.default_rng(0).normal(size=(100_000, 20))
    np.savez(here / "large.npz", x=x, y=x[:, 0])
    made = own.Own("large.npz")
    problem = made.build(made.resolve(made.defaults))
    pair = session.lockstep_of(problem)
    batches = problem.data.batches(32, problem.generator)

    def taken(steps: int) -> int:
        for _ in range(steps):
            assert pair.step(*next(batches)).report.agrees
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before, after = taken(20), taken(60)
    finally:
        tracemalloc.stop()
    assert after - before < 100_000  # bytes, where the data are 16 million


# ---- a network from a file


@pytest.mark.parametrize("name", ["by_hand", "of_pytorch", "made"])
def test_a_network_of_ones_own_is_trained(name: str, here: Path, runs: list[Run]) -> None:
    assert main(["train", f"nets.py:{name}", "--data", "iris", "--steps", "40"]) == 0
    (run,) = runs
    assert run.agrees
    assert run.path.name == "nets"
    kinds = {"by_hand": 3, "of_pytorch": 6, "made": 1}
    assert len(list(run.pair.network)) == len(list(run.pair.twin)) == kinds[name]  # type: ignore
    if name != "made":
        half: Any = run.pair.network, run.pair.twin
        place = 1 if name == "by_hand" else 2
        assert [type(side[place]).__name__ for side in half] == ["HalfByHand", "Half"]


def test_the_seed_gives_pytorch_s_first_weights(here: Path, runs: list[Run]) -> None:
    for _ in range(2):
        words = ["--data", "iris", "--steps", "1", "--lr", "0", "--seed", "5"]
        assert main(["train", "nets.py:of_pytorch", *words]) == 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        weight = torch.nn.Linear(4, 5).weight.detach().double().numpy()
    for run in runs:
        network: Any = run.pair.network
        np.testing.assert_array_equal(network[0].weight.data, weight)


# ---- from Python


def small(dtype: Any = np.float64) -> manual.Sequential:
    generator = np.random.default_rng(0)
    return manual.Sequential(
        manual.Linear(2, 6, dtype=dtype, generator=generator),
        manual.Tanh(),
        manual.Linear(6, 1, dtype=dtype, generator=generator),
    )


X = np.random.default_rng(0).normal(size=(60, 2))
T = np.square(X).sum(axis=1)


def test_a_network_by_hand_is_trained_where_it_stands(here: Path, capsys: Capture) -> None:
    network = small()
    before = network.state_dict()
    optimizer = manual.SGD(network.parameters(), lr=0.05, momentum=0.9)
    run = train_both(network, manual.MSELoss(), optimizer, (X, T), epochs=30, standardize=True)
    assert run.agrees
    assert run.pair.network is network
    assert any((before[name] != values).any() for name, values in network.state_dict().items())
    assert run.pair.steps == 30 * 2  # 48 samples, in batches of 32
    mine, theirs = run.scores()
    assert mine == pytest.approx(theirs)
    assert mine > 0.1
    assert {*run.pictures()} == {"Surface"}
    out = capsys.readouterr().out
    assert "By hand and autograd agree at every step." in out
    assert "backprop train" not in out
    saved = load_file(run.path / "weights.safetensors")
    for name, values in network.state_dict().items():
        np.testing.assert_array_equal(saved[name], values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_of_pytorch_s_is_trained_where_it_stands(dtype: Any, here: Path) -> None:
    """As PyTorch would train it alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = torch.nn.Sequential(
            torch.nn.Linear(2, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)
        ).to(dtype)
    alone = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    alone.to(dtype).load_state_dict(module.state_dict())
    x, t = torch.from_numpy(X).to(dtype), torch.from_numpy(T).to(dtype)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    run = train_both(
        module,
        torch.nn.MSELoss(),
        optimizer,
        (x, t),
        steps=20,
        batch_size=60,
        hold_out=0,
        schedule=lambda lib, o: lib.StepLR(o, 5),
    )
    assert run.agrees
    steps = torch.optim.Adam(alone.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.StepLR(steps, 5)
    for _ in range(20):
        steps.zero_grad()
        torch.nn.MSELoss()(alone(x), t[:, None]).backward()
        steps.step()
        schedule.step()
    close = {torch.float32: 1e-5, torch.float64: 1e-11}[dtype]
    for mine, theirs in zip(module.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=close, atol=close)


def test_classes_and_a_file_from_python(here: Path) -> None:
    network = manual.Sequential(manual.Linear(4, 3))
    optimizer = manual.Adam(network.parameters(), lr=0.05)
    run = train_both(network, manual.CrossEntropyLoss(), optimizer, "iris", steps=40, seed=1)
    assert run.agrees
    assert run.scores()[0] > 0.7
    assert run.problem.settings.target == "target"
    (here / "a.csv").write_text("a,b\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    network = manual.Sequential(manual.Linear(1, 2))
    loss, optimizer = manual.CrossEntropyLoss(), manual.Adam(network.parameters())
    assert train_both(network, loss, optimizer, here / "a.csv", target="b", steps=3).agrees


def test_tokens_stay_whole(here: Path) -> None:
    network = manual.Sequential(manual.Embedding(5, 3), manual.Flatten(), manual.Linear(6, 2))
    x = np.random.default_rng(0).integers(0, 5, (40, 2))
    loss, optimizer = manual.CrossEntropyLoss(), manual.Adam(network.parameters())
    assert train_both(network, loss, optimizer, (x, x[:, 0] % 2), steps=5).agrees


def start(network: Any = None, **options: Any) -> Callable[[], Run]:
    network = network or small()
    library: Any = manual if isinstance(network, manual.Module) else torch.optim
    lr = options.pop("lr", 0.1)
    optimizer = options.pop("optimizer", None) or library.SGD(network.parameters(), lr=lr)
    data = options.pop("data", (X, T))
    loss = options.pop("loss", manual.MSELoss())
    return lambda: train_both(network, loss, optimizer, data, **options)


NOT_FROM_PYTHON: dict[str, tuple[Callable[[], Run], type[Exception], str]] = {
    "both lengths": (start(steps=1, epochs=1), SettingError, "steps and epochs: expected one"),
    "no step": (start(steps=0), SettingError, "--steps 0: expected at least 1"),
    "others' parameters": (
        start(optimizer=manual.SGD(small().parameters(), lr=0.1)),
        SettingError,
        "the optimizer has parameters that are not the network's",
    ),
    "other lengths": (start(data=(X, T[1:])), InputError, "t: 59 of them, expected 60"),
    "other outputs": (
        start(loss=manual.CrossEntropyLoss(), data=(X, np.arange(60) % 3)),
        InputError,
        "the network: gives (2, 1) for 2 samples, expected (2, 3), a score for each class",
    ),
    "a module without a twin": (
        start(torch.nn.Sequential(torch.nn.RReLU(), torch.nn.Linear(2, 1))),
        NotImplementedError,
        "Sequential.0: torch.nn.modules.activation.RReLU has no class by hand",
    ),
    "a comparison that is none": (start(compare="x"), SettingError, "--compare x: expected one"),
}


@pytest.mark.parametrize("name", NOT_FROM_PYTHON)
def test_what_cannot_be_trained_from_python(name: str, here: Path) -> None:
    begin, kind, message = NOT_FROM_PYTHON[name]
    with pytest.raises(kind) as refused:
        begin()
    assert message in str(refused.value)
    assert not (here / "runs").exists()


# ---- curves as CSV


def test_the_curves_are_written_with_all_their_digits(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, steps = Lockstep.step, []

    def note(self: Lockstep, x: Any, t: Any) -> Step:
        steps.append(taken(self, x, t))
        return steps[-1]

    monkeypatch.setattr(Lockstep, "step", note)
    assert main(["train", "moons", "--steps", "5", "--csv"]) == 0
    with (here / "runs/moons/curves.csv").open(newline="") as file:
        curves = list(csv.DictReader(file))
    losses = [row for row in curves if row["curve"] == "Loss/train"]
    assert [int(row["step"]) for row in losses] == [1, 2, 3, 4, 5]
    assert [float(row["by_hand"]) for row in losses] == [step.loss for step in steps]
    assert [float(row["autograd"]) for row in losses] == [step.torch_loss for step in steps]
    assert {"Loss/val", "Accuracy/val"} <= {row["curve"] for row in curves}
    with (here / "runs/moons/parity.csv").open(newline="") as file:
        parity = list(csv.DictReader(file))
    for step in steps:
        written = {
            (row["kind"], row["tensor"]): float(row["relative"])
            for row in parity
            if int(row["step"]) == step.number
        }
        assert written == {(row.kind, row.name): row.relative for row in step.report.rows}
    assert {row["agrees"] for row in parity} == {"yes"}
    assert main(["train", "moons", "--steps", "1"]) == 0
    assert not list((here / "runs/moons-2").glob("*.csv"))


# ---- a run that diverges


def test_a_run_that_diverges_says_where(here: Path, capsys: Capture) -> None:
    """And has an exit code of its own; what was logged so far is kept."""
    assert main(["train", "diabetes", "--optimizer", "sgd", "--lr", "1e6"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "train: diverged at step " in line
    assert " by hand, " in line
    assert " by autograd; a smaller learning rate than 1e+06 may help (logs: runs/dia" in line
    assert (here / "runs/diabetes/settings.json").exists()
    with pytest.raises(DivergenceError, match=r"weight 2\.bias is inf by hand, weight 2"):
        start(small(np.float32), lr=1e38, steps=50)()


def test_where_one_side_alone_has_no_numbers_they_disagree(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    right, calls = manual.Tanh.backward, []

    def wrong(self: manual.Tanh, g: Any) -> Any:
        calls.append(g)
        return right(self, g) * (math.nan if len(calls) > 9 else 1)

    monkeypatch.setattr(manual.Tanh, "backward", wrong)
    assert main(["train", "xor", "--steps", "12"]) == 1
    assert "DISAGREE, first at step 4: gradient layers.0" in capsys.readouterr().out


# ---- the tutorial


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(here: Path, capsys: Capture) -> None:
    names = runpy.run_path(str(ROOT / "torch_ref/training/tutorial.py"))
    assert names["apart"] < 1e-10
    assert names["run"].agrees
    assert names["run"].scores()[0] > 0.9
    assert (here / "runs/own/boundary.png").stat().st_size > 1_000
    assert names["network"].state_dict().keys() == names["there"].keys()
    printed = capsys.readouterr().out
    assert "By hand and autograd agree at every step." in printed
    assert "50 steps later the weights are" in printed


# ---- what is drawn


def halves(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The plane divided at 0 by hand, at 1 by autograd: scores of two classes."""
    return np.c_[0 - points[:, 0], 0 * points[:, 0]], np.c_[1 - points[:, 0], 0 * points[:, 0]]


def slopes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number that is 1, a level of those drawn, at 0 by hand, and at 1 by autograd."""
    return points[:, :1] + 1, points[:, :1]


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_the_plane_shows_both_sides(kind: str) -> None:
    """The dashed line is where it is by hand, the broad one where it is by autograd."""
    x = np.array([[-2.0, 30], [2, 50], [1, 40]])
    if kind == "classes":
        figure = pictures.regions(halves, x, np.array([0, 1, 1]), ("a", "b"), ("no", "yes"))
    else:
        figure = pictures.surface(slopes, x, np.array([-7.0, 7, 1]), ("a", "b"))
    axes: Any = figure.axes[0]
    lines = {
        float(lines.get_linewidths()[0]): np.concatenate([p.vertices for p in lines.get_paths()])
        for lines in axes.collections
        if hasattr(lines, "levels")  # of a contour
    }
    for width, place, other in ((1.5, 0, 1), (6, 1, 0)):
        assert np.abs(lines[width][:, 0] - place).min() < 0.05, width
        assert np.abs(lines[width][:, 0] - other).min() > 0.5, width
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a", "b")
    assert axes.get_ylim()[0] < 30 < 50 < axes.get_ylim()[1]
    if kind == "classes":
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["no", "yes"]


def test_a_legend_stands_where_it_hides_least() -> None:
    corners = {"lower left": (0, 0), "upper left": (0, 9), "lower right": (9, 0)}
    everywhere = [*corners.values(), (9, 9)]
    for corner, place in {**corners, "upper right": (9, 9)}.items():
        x = np.array([point for point in everywhere if point != place] * 2 + [place])
        assert pictures.emptiest_corner(x) == corner


def test_columns_of_the_curves(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.log_both(3, "Loss", 0.1, 0.2)
    tables.close()
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines == ["step,curve,by_hand,autograd", "3,Loss,0.1,0.2"]
