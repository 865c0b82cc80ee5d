"""The mutation run itself: it plants what it says, notices what a test notices, counts it right."""

import json
import os
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import manual
from manual import initializers

from . import mutation
from .mutation import Runner, equivalent, outcome, refuted, sample, share, spread, stale, summary
from .planting import Mutant, mutants, plant

EVERYTHING = mutants()


def of(function: str, kind: str, was: str, now: str) -> Mutant:
    """The change of this name."""
    (found,) = [mutant for mutant in EVERYTHING if mutant.key == (function, kind, was, now)]
    return found


SLOPE = of("Tanh.derivative", "operator", "1 - y * y", "1 + y * y")
UNSEEN = of("_restore", "number", "TorchGenerator(0)", "TorchGenerator(1)")
DEFAULT = of(
    "LeakyReLU.__init__",
    "number",
    "self, negative_slope: float=0.01, inplace: bool=False",
    "self, negative_slope: float=0.02, inplace: bool=False",
)
IGNORED = of("LeakyReLU.__init__", "option ignored", "negative_slope", "negative_slope = 0.01")
WRAPPED = of(
    "initializer",
    "unary",
    "not isinstance(parameter, Parameter)",
    "isinstance(parameter, Parameter)",
)


def in_a_process(do: Callable[[], bool]) -> bool:
    """What it returns in a process of its own, which leaves nothing behind in this one."""
    process = os.fork()
    if not process:
        try:
            os._exit(int(do()))
        finally:
            os._exit(2)
    _, status = os.waitpid(process, 0)
    assert os.WEXITSTATUS(status) in (0, 1)
    return bool(os.WEXITSTATUS(status))


def slope_of_tanh() -> float:
    module = manual.Tanh()
    module(np.full(1, 0.5))
    return float(module.backward(np.ones(1))[0])


def refused(what: Any) -> bool:
    """Whether an initializer does not take it."""
    try:
        initializers.zeros_(what)
    except TypeError:
        return True
    return False


@pytest.mark.parametrize(
    ("mutant", "seen"),
    [
        (SLOPE, lambda: slope_of_tanh() > 1),
        (DEFAULT, lambda: manual.LeakyReLU().negative_slope == 0.02),
        (IGNORED, lambda: manual.LeakyReLU(0.3).negative_slope == 0.01),
        (WRAPPED, lambda: refused(manual.Parameter(np.ones(3)))),
    ],
    ids=["operator", "default", "option", "decorator"],
)
def test_a_change_is_planted_and_only_in_its_process(mutant: Mutant, seen: Any) -> None:
    def changed() -> bool:
        plant(mutant)
        return bool(seen())

    before = slope_of_tanh()
    assert in_a_process(changed)
    assert slope_of_tanh() == before < 1
    assert manual.LeakyReLU().negative_slope == 0.01
    assert manual.LeakyReLU(0.3).negative_slope == 0.3
    assert not refused(manual.Parameter(np.ones(3)))


def test_what_is_not_there_is_not_planted() -> None:
    with pytest.raises(LookupError):
        plant(replace(SLOPE, function="Tanh.none", first=1, module="manual.special"))


TOY = """
import numpy as np
import pytest
import manual

def test_value():
    assert manual.Tanh()(np.zeros(1))[0] == 0

@pytest.mark.parametrize("x", [0.25, 0.5])
def test_slope(x):
    module = manual.Tanh()
    module(np.full(1, x))
    assert module.backward(np.ones(1))[0] < 1

def test_prelu():
    assert manual.PReLU()(np.full(3, -1, np.float32)).tolist() == [-0.25] * 3
"""


Toy = Callable[..., dict[Mutant, str]]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    """A run within this one, of a toy's tests."""
    monkeypatch.setattr(mutation, "SECONDS", 4)

    def run(
        chosen: list[Mutant], tests: str = TOY, name: str = "test_toy", kept: Path | None = None
    ) -> dict[Mutant, str]:
        (tmp_path / f"{name}.py").write_text(tests)
        runner = Runner(chosen, 1, kept)
        quietly = ["-qq", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:parity"]
        quietly += ["--import-mode=importlib", "-c", os.devnull]
        pytest.main([*quietly, str(tmp_path)], plugins=[runner])
        return runner.results

    known = {*sys.modules}
    yield run
    for name in {*sys.modules} - known:
        del sys.modules[name]


@pytest.mark.slow
def test_a_toy_notices_what_it_asks_about(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    results = toy([SLOPE, UNSEEN, DEFAULT])
    assert results == {SLOPE: "killed", UNSEEN: "survived", DEFAULT: "survived"}
    printed = capsys.readouterr().out
    assert f"survived: {DEFAULT}" in printed
    assert str(UNSEEN) not in printed  # which is known to change nothing
    assert str(SLOPE) not in printed


@pytest.mark.slow
def test_a_run_goes_on_from_what_was_kept(toy: Toy, tmp_path: Path) -> None:
    """What was noticed is not asked again, nor what is known to change nothing; the rest is."""
    kept = tmp_path / "kept"
    assert toy([SLOPE, UNSEEN, DEFAULT], kept=kept) == toy([SLOPE, UNSEEN, DEFAULT], kept=kept)
    asked = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    counts = Counter((function, kind, was, now) for *_, function, kind, was, now, _ in asked)
    assert counts == {SLOPE.key: 1, UNSEEN.key: 1, DEFAULT.key: 4}  # in two rounds each time
    assert [one[-1] for one in asked if SLOPE.was in one] == ["killed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "value", "name"),
    [("MOST", 0, "test_toy"), ("SLOW", 0, "test_toy"), ("MANY", 400, "test_bundle")],
)
def test_what_the_first_round_does_not_notice_is_asked_again(
    limit: str,
    value: int,
    name: str,
    toy: Toy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the tests beyond the limit, by the slow ones, by those left out."""
    monkeypatch.setattr(mutation, limit, value)
    assert toy([SLOPE, DEFAULT], name=name) == {SLOPE: "killed", DEFAULT: "survived"}
    printed = capsys.readouterr().out
    assert f"to be asked again: {SLOPE}" in printed
    assert "2 are asked again" in printed
    assert f"survived: {SLOPE}" not in printed


def test_of_many_cases_a_part_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    items: Any = [types.SimpleNamespace(nodeid=f"test_a.py::test_a[{i}]") for i in range(100)]
    items += [types.SimpleNamespace(nodeid=f"test_bundle.py::test_b[{i}]") for i in range(3)]
    items += [
        types.SimpleNamespace(nodeid=f"{mutation.PARITY}[{d}]") for d in ("float32", "float64")
    ]
    monkeypatch.setattr(mutation, "MANY", 50)
    monkeypatch.setattr(mutation, "OF_EACH", 10)
    asked = [item.nodeid for item in sample(items)]
    assert asked == [f"test_a.py::test_a[{i}]" for i in range(0, 100, 10)] + [items[-1].nodeid]


@pytest.mark.slow
def test_a_suite_that_fails_without_any_change_tells_nothing(
    toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = TOY + "\ndef test_wrong():\n    assert manual.Tanh()(np.ones(1))[0] == 1\n"
    assert toy([SLOPE], failing) == {}
    assert "without any change there fails test_toy.py::test_wrong" in capsys.readouterr().out


def test_every_test_is_in_the_new_order_once() -> None:
    items = [types.SimpleNamespace(nodeid=f"{name}[{i}]") for name in "abc" for i in range(5)]
    timed: Any = [(float(i % 7), item) for i, item in enumerate(items)]
    ordered = spread(timed)
    assert sorted(ordered, key=id) == sorted(timed, key=id)
    for start in range(0, 15, 3):  # one of each in turn
        assert {item.nodeid[0] for _, item in ordered[start : start + 3]} == {*"abc"}


# ---- what is known to change nothing


def test_every_equivalent_change_is_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stale(EVERYTHING) == []
    gone = ("_restore", "number", "TorchGenerator(7)", "TorchGenerator(8)")
    monkeypatch.setitem(mutation.EQUIVALENT, gone, "it is not there")
    assert stale(EVERYTHING) == [gone]
    assert mutation.main(["--list"]) == 1


def test_an_equivalent_change_that_is_noticed_is_none() -> None:
    assert equivalent(UNSEEN, "survived")
    assert not equivalent(UNSEEN, "killed")
    assert not equivalent(SLOPE, "survived")
    assert refuted({UNSEEN: "killed", SLOPE: "survived"}) == [UNSEEN]
    assert refuted({UNSEEN: "survived", SLOPE: "killed"}) == []


def test_the_summary_counts() -> None:
    results = {SLOPE: "killed", IGNORED: "hangs", DEFAULT: "survived", UNSEEN: "survived"}
    rows = {line.split("  ")[0]: line.split()[-5:] for line in summary(results).splitlines()[1:]}
    assert rows["all"] == ["4", "2", "1", "1", "66.7%"]
    assert rows["manual.generator"] == ["1", "0", "1", "0", "100.0%"]
    assert rows["manual.layers.activations"] == ["3", "2", "0", "1", "66.7%"]
    assert rows["operator"] == ["1", "1", "0", "0", "100.0%"]
    assert rows["number"] == ["2", "0", "1", "1", "0.0%"]
    assert share({}) == 1
    refuting = {UNSEEN: "killed", DEFAULT: "survived"}
    assert summary(refuting).splitlines()[-1].split() == ["all", "2", "1", "0", "1", "50.0%"]


@pytest.mark.parametrize(
    ("ends", "result"),
    [
        (lambda: os._exit(0), "survived"),
        (lambda: os._exit(1), "killed"),
        (lambda: os._exit(4), "not planted"),
        (lambda: os.kill(os.getpid(), 14), "hangs"),
        (lambda: os.kill(os.getpid(), 9), "crashes"),
    ],
    ids=["survived", "killed", "not planted", "hangs", "crashes"],
)
def test_what_became_of_a_process(ends: Callable[[], None], result: str) -> None:
    process = os.fork()
    if not process:
        ends()
        os._exit(2)
    assert outcome(os.waitpid(process, 0)[1]) == result


# ---- what is changed


def test_there_are_enough_changes_and_each_has_a_text() -> None:
    assert len(EVERYTHING) > 5_500
    assert len({mutant.module for mutant in EVERYTHING}) > 35
    assert all(mutant.was != mutant.now for mutant in EVERYTHING)
    places = [(m.module, m.function, m.first, m.number, m.variant) for m in EVERYTHING]
    assert len(set(places)) == len(places)


def test_an_equivalent_change_is_told_from_every_other_of_its_function() -> None:
    keys = [mutant.key for mutant in EVERYTHING]
    assert {key: keys.count(key) for key in mutation.EQUIVALENT if keys.count(key) > 1} == {}
