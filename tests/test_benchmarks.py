"""The benchmarks: contenders take the same step, or are told apart; and the figures are right."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torch_ref.benchmarks.contenders import (
    BEFORE,
    BY_HAND,
    EAGER,
    VARIANTS,
    by_hand,
    contenders_of,
    make,
)
from torch_ref.benchmarks.race import Conditions, Lane, compared, race
from torch_ref.benchmarks.report import figures, text
from torch_ref.benchmarks.workloads import WORKLOADS
from torch_ref.cli import main
from torch_ref.parity.distance import Report

ROOT = Path(__file__).parent.parent
PAIRS = [
    (workload, name)
    for workload, what in WORKLOADS.items()
    for name in contenders_of(what, before=False, compiled=False)
]


@pytest.mark.slow
@pytest.mark.parametrize(("workload", "name"), PAIRS)
def test_contenders_take_the_same_step(workload: str, name: str, tmp_path: Path) -> None:
    report = compared_with(make(name, WORKLOADS[workload].task()).results(), tmp_path, workload)
    assert report.agrees, report
    assert {row.name for row in report.rows} > {"loss"}
    assert all(row.proves for row in report.rows), report


def test_a_step_that_lacks_a_gradient_or_has_another_loss_is_found(tmp_path: Path) -> None:
    values = by_hand(WORKLOADS["W1"].task()).results()
    assert not compared_with(values | {"loss": values["loss"] * (1 + 1e-9)}, tmp_path).agrees
    gradient = values.pop("hidden.0.weight")
    assert not compared_with(values, tmp_path).agrees
    assert not compared_with(values | {"hidden.0.weight": gradient.T}, tmp_path).agrees
    assert compared_with(values | {"hidden.0.weight": gradient}, tmp_path).agrees


def compared_with(values: dict[str, Any], tmp_path: Path, workload: str = "W1") -> Report:
    np.savez(tmp_path / "results.npz", **values)
    return compared(workload, tmp_path / "results.npz")


def test_every_variant_belongs_to_some_workload() -> None:
    names = {
        name for what in WORKLOADS.values() for name in contenders_of(what, False, compiled=True)
    }
    assert names == {BY_HAND, *VARIANTS}


# ---- A race


def checkout(tmp_path: Path, old: str, new: str) -> Path:
    """`manual` with a line of Linear's changed."""
    shutil.copytree(ROOT / "manual", tmp_path / "manual")
    path = tmp_path / "manual" / "layers" / "linear.py"
    source = path.read_text(encoding="utf-8")
    assert old in source
    path.write_text(source.replace(old, new), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_what_another_checkout_computes_wrongly_is_not_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = checkout(tmp_path, "accumulate_product(g.T, x)", "accumulate_product(g.T, 2 * x)")
    words = ["bench", "W1", "--rounds", "2", "--warm-up", "0", "--before", str(wrong)]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert f"{BEFORE}: not timed, its step is another one" in said
    assert re.search(r"hidden\.0\.weight .* DISAGREES", said)
    assert re.search(rf"^{EAGER} +\d", said, re.MULTILINE)


@pytest.mark.slow
def test_what_cannot_run_is_left_out_and_all_others_are_timed_as_often(tmp_path: Path) -> None:
    line = "class Linear(Module):"
    broken = checkout(tmp_path, line, f"raise ImportError('not today')\n{line}")
    lanes = {lane.name: lane for lane in race("W1", Conditions(2, 1e-3, 0, before=broken))}
    assert [*lanes] == [BY_HAND, BEFORE, EAGER, "PyTorch fused"]
    assert f"{BEFORE}: left out, ImportError: not today" in text("W1", [*lanes.values()])
    assert not lanes.pop(BEFORE).seconds
    for lane in lanes.values():
        assert lane.report.agrees
        assert not lane.failure
        assert len(lane.seconds) == 2
        assert min(lane.seconds) > 0
        assert (lane.memory is None) == (sys.platform != "linux")


# ---- Figures

LANES = [
    Lane(BY_HAND, [1.0, 2.0, 3.0], 2**20),
    Lane(EAGER, [4.0, 8.0, 12.0]),
    Lane("PyTorch fused", [2.0, 4.0, 6.0], 2**21),
]


def test_figures() -> None:
    of = figures(LANES)
    assert of[BY_HAND]["10th percentile"] == pytest.approx(1.2)
    assert of[BY_HAND]["median"] == 2
    assert of[BY_HAND]["spread"] == pytest.approx((2.8 - 1.2) / 2)
    assert of[BY_HAND]["of eager"] == pytest.approx(1 / 4)
    assert of[BY_HAND]["median of eager"] == pytest.approx(1 / 4)
    assert of[BY_HAND]["of best"] == pytest.approx(1 / 2)
    assert of[BY_HAND]["steps per second"] == 0.5
    assert [one["memory"] for one in of.values()] == [2**20, None, 2**21]


@pytest.mark.parametrize(("slower", "verdict"), [(1.1, "missed"), (1.0, "reached")])
def test_a_table_says_whether_the_goal_is_reached(slower: float, verdict: str) -> None:
    lanes = [Lane(BY_HAND, [slower]), *LANES[1:]]
    last = text("W2a", lanes).splitlines()[-1]
    assert last == f"goal: 0.22 of PyTorch eager; {slower / 4.8:.3f}, {verdict}"


def test_a_table_fits_the_terminal() -> None:
    lines = text("W6", [Lane("PyTorch channels_last", [0.123456]), *LANES]).splitlines()
    assert max(map(len, lines)) <= 100


def test_json_has_the_same_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch_ref.benchmarks.race.race", lambda workload, conditions: LANES)
    assert main(["bench", "W1", "--rounds", "3", "--threads", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["threads"], said["rounds"]) == (2, 3)
    assert said["versions"].keys() == {"Python", "numpy", "torch"}
    goal = WORKLOADS["W1"].goal
    assert said["workloads"] == {"W1": {"goal": goal, "contenders": figures(LANES)}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["W9"], "expected one of W1, W2a, W2b, W3, W4a, W4b, W5, W6, W7, not 'W9'"),
        (["--rounds", "0"], "expected at least 1, not 0"),
        (["--threads", "0"], "expected at least 1, not 0"),
    ],
)
def test_what_cannot_be_raced_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *words])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_directory_without_manual_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "W1", "--before", str(tmp_path)]) == 2
    assert "there is no manual/__init__.py" in capsys.readouterr().err


def test_the_page_has_a_line_for_every_workload() -> None:
    page = (ROOT / "torch_ref" / "benchmarks" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (W\w+) .*?\| (\d\.\d\d) \|", page, re.MULTILINE))
    assert rows == {name: f"{what.goal:.2f}" for name, what in WORKLOADS.items()}
