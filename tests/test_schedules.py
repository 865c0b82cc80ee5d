"""Schedules against torch.optim.lr_scheduler, step by step: rates, momentum and the whole state."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.schedules import LRScheduler

from .conftest import public

ADAM = {"lr": 0.2, "betas": (0.9, 0.99)}
SGD = {"lr": 0.2, "momentum": 0.7}
THEIRS = torch.optim.lr_scheduler


def halves(t: float) -> float:
    return 0.5 + 0.5 / (1 + t)


def waves(t: float) -> float:
    return math.cos(t)


class Falling:
    """A function with something in it that a state keeps."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, t: float) -> float:
        return 1 / (1 + self.rate * t)

    def __repr__(self) -> str:
        return f"Falling({self.rate})"


CYCLE = {"base_lr": 0.1, "max_lr": 0.5}
ONE = {"max_lr": 0.5, "total_steps": 40}
SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 6, 6, 9]}),
    ("MultiStepLR", {"milestones": [0, 0, 3], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 0}),
    ("ConstantLR", {"factor": 0, "total_iters": 100}),
    ("ConstantLR", {"factor": 1}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 7}),
    ("LinearLR", {"total_iters": 0}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("ExponentialLR", {"gamma": 0}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 0}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 1}),
    ("LambdaLR", {"lr_lambda": halves}),
    ("LambdaLR", {"lr_lambda": (halves, Falling(0.3))}),
    ("MultiplicativeLR", {"lr_lambda": halves}),
    ("MultiplicativeLR", {"lr_lambda": [Falling(0.1), waves]}),
    ("CyclicLR", {**CYCLE, "step_size_up": 3}),
    ("CyclicLR", {**CYCLE, "step_size_up": 4, "step_size_down": 2}),
    ("CyclicLR", {**CYCLE, "step_size_up": 4, "step_size_down": 0}),
    ("CyclicLR", {**CYCLE, "step_size_up": 1, "base_momentum": [0.5, 0.6], "max_momentum": 0.8}),
    ("CyclicLR", {**CYCLE, "step_size_up": 3, "mode": "triangular2", "scale_mode": "iterations"}),
    ("CyclicLR", {**CYCLE, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {**CYCLE, "step_size_up": 3, "scale_fn": halves}),
    ("CyclicLR", {**CYCLE, "step_size_up": 3, "scale_fn": Falling(0.2), "mode": "mine"}),
    ("CyclicLR", {**CYCLE, "step_size_up": 3, "scale_fn": halves, "scale_mode": "iterations"}),
    ("CyclicLR", {**CYCLE, "step_size_up": 2, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": (0.1, 0.2), "max_lr": [0.5, 0.3]}),
    ("OneCycleLR", ONE),
    ("OneCycleLR", {"max_lr": 0.5, "epochs": 4, "steps_per_epoch": 10, "three_phase": True}),
    ("OneCycleLR", {**ONE, "anneal_strategy": "linear", "div_factor": 5.0, "pct_start": 0.6}),
    ("OneCycleLR", {**ONE, "pct_start": 0.0, "final_div_factor": 10.0}),
    ("OneCycleLR", {**ONE, "pct_start": 1.0}),
    ("OneCycleLR", {**ONE, "base_momentum": [0.5, 0.6], "max_momentum": [0.8, 0.9]}),
    ("OneCycleLR", {**ONE, "max_lr": [0.5, 0.3], "cycle_momentum": False}),
]
NAMES = sorted({name for name, _ in SCHEDULES})


def named(values: Any) -> str:
    """The id of a schedule and its options."""
    return "-".join(f"{key}={value}" for key, value in values.items()) or "defaults"


every_schedule = pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(*case, id=f"{case[0]}-{named(case[1])}"[:80]) for case in SCHEDULES],
)
# PyTorch takes the start of a ChainedScheduler inside a SequentialLR for a step of training.
starts_inside = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


def optimizers(made: str = "SGD") -> tuple[Any, Any]:
    """Two groups on each side, the second with a learning rate of its own."""
    mine = [manual.Parameter(np.ones(2)) for _ in range(2)]
    theirs = [torch.nn.Parameter(torch.ones(2).double()) for _ in range(2)]
    sides = []
    for module, parameters in ((manual, mine), (torch.optim, theirs)):
        groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.05}]
        sides.append(getattr(module, made)(groups, **(ADAM if made == "Adam" else SGD)))
    return sides[0], sides[1]


def assert_same(mine: Any, theirs: Any, place: str) -> None:
    """Equal in structure, and in numbers but for the rounding of a few operations."""
    if isinstance(theirs, dict):
        assert mine.keys() == theirs.keys(), place
        for key in theirs:
            assert_same(mine[key], theirs[key], f"{place}[{key!r}]")
    elif isinstance(theirs, list | tuple):
        assert len(mine) == len(theirs), place
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            assert_same(a, b, f"{place}[{i}]")
    elif isinstance(theirs, float):
        assert mine == pytest.approx(theirs, rel=1e-12, abs=1e-18, nan_ok=True), place
    else:
        assert mine == theirs, place


def assert_equal_sides(mine: Any, theirs: Any, place: str) -> None:
    """The same rates, the same state, and the same settings in the groups."""
    kept = {"lr", "momentum", "betas", *manual.Optimizer.FROM_SCHEDULES}
    groups = [
        [{key: group[key] for key in kept & group.keys()} for group in side.optimizer.param_groups]
        for side in (mine, theirs)
    ]
    assert_same(*groups, f"{place}: groups")
    assert_same(mine.get_last_lr(), theirs.get_last_lr(), f"{place}: get_last_lr()")
    assert_same(mine.state_dict(), theirs.state_dict(), f"{place}: state")


def tried(make: Any) -> tuple[Any, type | None]:
    """What it makes, or the kind of error that it raises."""
    try:
        return make(), None
    except (ArithmeticError, NotImplementedError) as error:
        return None, type(error)


def follow(mine: Any, theirs: Any, steps: int = 39) -> None:
    """Both sides step by step, to the error that both raise if one does."""
    for t in range(steps):
        assert_equal_sides(mine, theirs, f"t = {t}")
        for side in (mine, theirs):
            side.optimizer.step()
        mine_raised, raised = tried(mine.step)[1], tried(theirs.step)[1]
        assert mine_raised is raised, f"t = {t}"
        if raised:
            return


def both(name: str, options: dict, pair: Any, **more: Any) -> tuple[Any, Any]:
    """The schedule on each side."""
    return (
        getattr(manual, name)(pair[0], **options, **more),
        getattr(THEIRS, name)(pair[1], **options, **more),
    )


@every_schedule
@pytest.mark.parametrize("made", ["SGD", "Adam"])
def test_every_schedule(name: str, options: dict, made: str) -> None:
    follow(*both(name, options, optimizers(made)))


def test_every_schedule_is_tested() -> None:
    assert {*public(LRScheduler)} == {*NAMES} | {
        "ReduceLROnPlateau",
        "SequentialLR",
        "ChainedScheduler",
    }


@pytest.mark.parametrize("name", sorted(public(LRScheduler)))
def test_the_constructor_is_pytorchs(name: str) -> None:
    mine, theirs = (
        [
            (argument.name, argument.kind, argument.default)
            for argument in inspect.signature(getattr(library, name)).parameters.values()
        ]
        for library in (manual, THEIRS)
    )
    assert mine == theirs


CLOSED = [case for case in SCHEDULES if "closed_form" in vars(getattr(manual, case[0]))]


@pytest.mark.parametrize(("name", "options"), CLOSED)
def test_the_closed_form_is_pytorchs(name: str, options: dict) -> None:
    mine, theirs = both(name, options, optimizers())
    for t in range(20):
        mine.last_epoch = theirs.last_epoch = t

        def rates() -> list[float]:
            return [mine.closed_form(group, base) for group, base in mine.groups()]

        ours, raised = tried(rates)
        expected, theirs_raised = tried(theirs._get_closed_form_lr)
        assert raised is theirs_raised
        assert_same(ours, expected, f"t = {t}")


def test_the_last_rates_are_those_of_the_last_step() -> None:
    mine, theirs = both("ExponentialLR", {"gamma": 0.5}, optimizers())
    for side in (mine, theirs):
        side.optimizer.param_groups[0]["lr"] = 7.0
    assert mine.get_last_lr() == theirs.get_last_lr() == [0.2, 0.05]


# In a SequentialLR


def drawn(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Options at random, those at a bound among them."""

    def one(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    part = float(rng.uniform(0.1, 1))
    iters = one(-1, 0, 1, 2, 5, 9)
    return {
        "StepLR": {"step_size": one(1, 2, 3), "gamma": part},
        "MultiStepLR": {"milestones": rng.integers(-1, 9, size=4).tolist(), "gamma": part},
        "ConstantLR": {"factor": one(part, 1), "total_iters": iters},
        "LinearLR": {
            "start_factor": part,
            "end_factor": one(0, 0.5, 1),
            "total_iters": iters,
        },
        "ExponentialLR": {"gamma": part},
        "PolynomialLR": {"total_iters": iters, "power": one(0.5, 1, 2.0)},
        "CosineAnnealingLR": {"T_max": one(1, 2, 3, 8), "eta_min": one(0.0, 0.01)},
        "CosineAnnealingWarmRestarts": {
            "T_0": one(1, 2, 4),
            "T_mult": one(1, 2, 3),
            "eta_min": one(0, 0.01),
        },
        "LambdaLR": {"lr_lambda": one(halves, Falling(part), [halves, waves])},
        "MultiplicativeLR": {"lr_lambda": one(halves, Falling(part), [halves, waves])},
        "CyclicLR": {
            "base_lr": one(part, [part, 0.1]),
            "max_lr": 1.5,
            "step_size_up": one(1, 3),
            "step_size_down": one(None, 0, 2),
            "mode": one("triangular", "triangular2", "exp_range"),
            "gamma": 0.9,
            "scale_fn": one(None, halves),
            "scale_mode": one("cycle", "iterations"),
            "cycle_momentum": one(True, False),
        },
        "OneCycleLR": {
            "max_lr": part,
            "total_steps": one(50, 61),
            "pct_start": one(0.0, 0.25, 1.0),
            "three_phase": one(True, False),
            "cycle_momentum": one(True, False),
        },
    }[name]


def sequence(name: str, place: int, length: int, seed: int) -> tuple[Any, Any]:
    """On each side one schedule after another, that of this name at this place, others drawn."""
    rng = np.random.default_rng([seed, place, length, NAMES.index(name)])
    names = [NAMES[i] for i in rng.integers(len(NAMES), size=length)]
    names[place] = name
    options = [drawn(each, rng) for each in names]
    milestones = np.cumsum(rng.integers(1, 7, size=length - 1)).tolist()
    sides = []
    for library, optimizer in zip((manual, THEIRS), optimizers(), strict=True):
        parts = [
            getattr(library, each)(optimizer, **own)
            for each, own in zip(names, options, strict=True)
        ]
        sides.append(library.SequentialLR(optimizer, parts, milestones))
    return sides[0], sides[1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("place", "length"), [(0, 1), (0, 4), (1, 4), (2, 4), (3, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_in_every_place(name: str, place: int, length: int, seed: int) -> None:
    follow(*sequence(name, place, length, seed), steps=30)


@every_schedule
def test_every_schedule_after_another(name: str, options: dict) -> None:
    pair = optimizers()
    later = both(name, options, pair)
    first = both("ExponentialLR", {"gamma": 0.5}, pair)
    mine = manual.SequentialLR(pair[0], [first[0], later[0]], [4])
    theirs = THEIRS.SequentialLR(pair[1], [first[1], later[1]], [4])
    follow(mine, theirs, steps=20)


@starts_inside
@every_schedule
def test_every_schedule_in_a_chain_at_the_start(name: str, options: dict) -> None:
    pair = optimizers()
    parts = both(name, options, pair)
    sides = []
    for library, optimizer, part in zip((manual, THEIRS), pair, parts, strict=True):
        chain = library.ChainedScheduler([part, library.ConstantLR(optimizer)])
        after = library.StepLR(optimizer, 2)
        made = tried(
            lambda a=library, b=optimizer, c=chain, d=after: a.SequentialLR(b, [c, d], [9])
        )
        sides.append(made)
    (mine, raised), (theirs, theirs_raised) = sides
    assert raised is theirs_raised
    if not raised:
        follow(mine, theirs, steps=14)


def combine(library: Any, optimizer: Any, kind: str) -> Any:
    if kind == "sequential":
        parts = [
            library.LinearLR(optimizer, total_iters=4),
            library.ExponentialLR(optimizer, gamma=0.8),
            library.CosineAnnealingLR(optimizer, T_max=6),
        ]
        return library.SequentialLR(optimizer, parts, milestones=[5, 9])
    if kind == "chained":
        parts = [library.ConstantLR(optimizer), library.ExponentialLR(optimizer, gamma=0.9)]
        return library.ChainedScheduler(parts, optimizer)
    if kind == "at once":
        parts = [library.StepLR(optimizer, 1), library.ConstantLR(optimizer)]
        return library.SequentialLR(optimizer, parts, milestones=[0])
    if kind == "last epoch":
        parts = [library.StepLR(optimizer, 1), library.ConstantLR(optimizer)]
        return library.SequentialLR(optimizer, parts, milestones=[5], last_epoch=2)
    if kind == "cyclic after another":
        parts = [
            library.ConstantLR(optimizer, 0.9),
            library.CyclicLR(optimizer, 0.01, 0.2, 2),
            library.ConstantLR(optimizer, 0.3, 3),
        ]
        return library.ChainedScheduler(parts)
    if kind == "chained later":
        parts = [library.StepLR(optimizer, 2), combine(library, optimizer, "chained")]
        return library.SequentialLR(optimizer, parts, milestones=[3])
    if kind == "sequential later":
        parts = [library.StepLR(optimizer, 2), combine(library, optimizer, "sequential")]
        return library.SequentialLR(optimizer, parts, milestones=[3])
    if kind == "chained inside":
        inner = [library.ConstantLR(optimizer, 0.1, 2), library.StepLR(optimizer, 2)]
        parts = [
            library.ChainedScheduler(inner, optimizer),
            library.ExponentialLR(optimizer, gamma=0.9),
        ]
        return library.SequentialLR(optimizer, parts, milestones=[5])
    assert kind == "sequential inside"
    parts = [combine(library, optimizer, "sequential"), library.LinearLR(optimizer, 0.4)]
    return library.SequentialLR(optimizer, parts, milestones=[11])


COMBINED = [
    "sequential",
    "chained",
    "at once",
    "last epoch",
    "cyclic after another",
    "chained later",
    "sequential later",
    "chained inside",
    "sequential inside",
]


@starts_inside
@pytest.mark.parametrize("kind", COMBINED)
def test_schedules_of_schedules(kind: str) -> None:
    mine, theirs = (
        combine(library, optimizer, kind)
        for library, optimizer in zip((manual, THEIRS), optimizers(), strict=True)
    )
    follow(mine, theirs, steps=20)


# The plateau


def metric(rng: np.random.Generator) -> float:
    """A metric on a grid, so that thresholds are met exactly, sometimes odd."""
    grid = [-1.25, -1.0, -0.75, 0.0, 0.5, 0.75, 1.0, 1.25, 1.5, math.inf, -math.inf, math.nan]
    return float(rng.choice(grid, p=[*[0.1] * 9, 0.02, 0.02, 0.06]))


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("threshold", [0, 0.25, 1.0])
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 0},
        {"patience": 1, "cooldown": 1},
        {"patience": 2, "cooldown": 2},
        {"patience": 0, "min_lr": 0.0125},
        {"patience": 1, "min_lr": [0.1, 0.0]},
        {"patience": 0, "eps": 0.025},  # what the second group's first cut comes to
        {"patience": 1, "factor": 0},
        {"patience": 1, "factor": -1},
    ],
    ids=named,
)
def test_reduce_on_plateau(mode: str, threshold_mode: str, threshold: float, options: dict) -> None:
    options = {"factor": 0.5, "threshold": threshold, **options}
    options |= {"mode": mode, "threshold_mode": threshold_mode}
    mine, theirs = both("ReduceLROnPlateau", options, optimizers())
    rng = np.random.default_rng(0)
    for t in range(40):
        assert_equal_sides(mine, theirs, f"t = {t}")
        value = metric(rng)
        mine.step(value)
        theirs.step(value)
    assert mine.get_last_lr()[0] < 0.2


@pytest.mark.parametrize("mode", ["min", "max"])
def test_reduce_on_plateau_as_it_comes(mode: str) -> None:
    mine, theirs = both("ReduceLROnPlateau", {"mode": mode}, optimizers())
    for t in range(40):
        assert_equal_sides(mine, theirs, f"t = {t}")
        value = 1 + math.cos(t / 3) / (1 + t / 5)
        mine.step(np.float32(value))
        theirs.step(np.float32(value))
    assert mine.get_last_lr()[0] < 0.2


# Going on from a state


class Sides:
    """A schedule on each side, by its name or by what combines several; made again alike."""

    def __init__(self, name: str, options: dict, made: str = "SGD") -> None:
        self.pair = optimizers(made)
        if name in COMBINED:
            self.mine = combine(manual, self.pair[0], name)
            self.theirs = combine(THEIRS, self.pair[1], name)
        else:
            self.mine, self.theirs = both(name, options, self.pair)

    def step(self, t: int) -> None:
        arguments = [1 + math.cos(t)] if isinstance(self.mine, manual.ReduceLROnPlateau) else []
        for side in (self.mine, self.theirs):
            side.optimizer.step()
            side.step(*arguments)


def without_values(options: dict) -> dict:
    """The options with other values in the functions, which a state is to bring along."""
    return {
        key: Falling(9.0)
        if isinstance(value, Falling)
        else [Falling(9.0) if isinstance(v, Falling) else v for v in value]
        if key == "lr_lambda" and isinstance(value, list | tuple)
        else value
        for key, value in options.items()
    }


PLATEAU: list[tuple[str, dict[str, Any]]] = [
    ("ReduceLROnPlateau", {"patience": 1, "cooldown": 1, "mode": "max"}),
    ("ReduceLROnPlateau", {"patience": 0, "min_lr": [0.01, 0.02]}),
]
RESUMABLE = [
    pytest.param(name, options, id=f"{name}-{named(options)}"[:80])
    for name, options in [*SCHEDULES, *PLATEAU, *((kind, {}) for kind in COMBINED)]
    if "later" not in name
]


@starts_inside
@pytest.mark.parametrize(("name", "options"), RESUMABLE)
@pytest.mark.parametrize("way", ["theirs to mine", "mine to theirs", "mine to mine"])
def test_a_state_goes_on_on_either_side(name: str, options: dict, way: str) -> None:
    before = Sides(name, options)
    for t in range(7):
        before.step(t)
    after = Sides(name, without_values(options))
    source, target = (
        before.theirs if way.startswith("theirs") else before.mine,
        after.theirs if way.endswith("theirs") else after.mine,
    )
    target.optimizer.load_state_dict(source.optimizer.state_dict())
    target.load_state_dict(source.state_dict())
    mine, theirs = (before.mine, target) if way.endswith("theirs") else (target, before.theirs)
    ahead = Sides.__new__(Sides)
    ahead.mine, ahead.theirs = mine, theirs
    for t in range(7, 15):
        assert_equal_sides(mine, theirs, f"t = {t}")
        ahead.step(t)
    assert_equal_sides(mine, theirs, "at the end")
