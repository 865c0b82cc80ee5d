"""Schedules against torch.optim.lr_scheduler, step by step: rates, momentum and the whole state."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.schedules.schedule import LRScheduler

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
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 1}),
    ("OneCycleLR", {"max_lr": 0.5, "epochs": 1, "steps_per_epoch": 1}),
    ("OneCycleLR", {**ONE, "base_momentum": [0.5, 0.6], "max_momentum": [0.8, 0.9]}),
    ("OneCycleLR", {**ONE, "max_lr": [0.5, 0.3], "cycle_momentum": False}),
]
NAMES = sorted({name for name, _ in SCHEDULES})


def named(values: Any) -> str:
    """The id of a schedule's options: functions by their names, not by where they are."""
    text = "-".join(f"{key}={value}" for key, value in values.items()) or "defaults"
    return re.sub(r"<function (\w+) at \w+>", r"\1", text)


def cases(schedules: list[tuple[str, dict[str, Any]]]) -> Any:
    """These schedules as the parameters `name` and `options`."""
    return pytest.mark.parametrize(
        ("name", "options"),
        [pytest.param(name, options, id=f"{name}-{named(options)}") for name, options in schedules],
    )


every_schedule = cases(SCHEDULES)
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
        assert math.isclose(mine, theirs, rel_tol=1e-12, abs_tol=1e-18), place
    else:
        assert mine == theirs, place


def assert_equal_sides(mine: Any, theirs: Any, place: str) -> None:
    """The same rates, the same state, and the same settings in the groups."""
    kept = {"lr", "initial_lr", "max_lr", "min_lr"}
    kept |= {"momentum", "betas", "base_momentum", "max_momentum"}
    groups = [
        [{key: group[key] for key in kept & group.keys()} for group in side.optimizer.param_groups]
        for side in (mine, theirs)
    ]
    assert_same(groups[0], groups[1], f"{place}: groups")
    assert_same(mine.get_last_lr(), theirs.get_last_lr(), f"{place}: get_last_lr()")
    assert_same(mine.state_dict(), theirs.state_dict(), f"{place}: state")


def tried(make: Any) -> tuple[Any, type | None]:
    """What it makes, or the kind of error that it raises."""
    try:
        return make(), None
    except (ArithmeticError, NotImplementedError, ValueError) as error:
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


CLOSED = [case for case in SCHEDULES if "closed_form" in vars(getattr(manual, case[0]))]


@cases(CLOSED)
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


def sides(name: str, options: dict) -> tuple[Any, Any]:
    """A schedule on each side, by its name or by what combines several."""
    pair = optimizers()
    if name in COMBINED:
        return combine(manual, pair[0], name), combine(THEIRS, pair[1], name)
    return both(name, options, pair)


def step(schedule: Any, t: int) -> None:
    """A step of training, to a metric if one is wanted."""
    schedule.optimizer.step()
    schedule.step(*([1 + math.cos(t)] if hasattr(schedule, "patience") else []))


def with_other_functions(options: dict) -> dict:
    """The options with another rate in each function that has one, for a state to bring along."""

    def other(value: Any) -> Any:
        if isinstance(value, Falling):
            return Falling(9.0)
        return [other(item) for item in value] if isinstance(value, list | tuple) else value

    return {key: other(value) for key, value in options.items()}


PLATEAU: list[tuple[str, dict[str, Any]]] = [
    ("ReduceLROnPlateau", {"patience": 1, "cooldown": 1, "mode": "max"}),
    ("ReduceLROnPlateau", {"patience": 0, "min_lr": [0.01, 0.02]}),
]
RESUMABLE = [*SCHEDULES, *PLATEAU, *((kind, {}) for kind in COMBINED if "later" not in kind)]


@starts_inside
@cases(RESUMABLE)
@pytest.mark.parametrize("way", ["theirs to mine", "mine to theirs"])
def test_a_state_goes_on_on_either_side(name: str, options: dict, way: str) -> None:
    mine, theirs = sides(name, options)

    def both_step(t: int) -> None:
        assert tried(lambda: step(mine, t))[1] is tried(lambda: step(theirs, t))[1], f"t = {t}"

    for t in range(7):
        both_step(t)
    again, their_again = sides(name, with_other_functions(options))
    source, target = (theirs, again) if way == "theirs to mine" else (mine, their_again)
    target.optimizer.load_state_dict(source.optimizer.state_dict())
    target.load_state_dict(source.state_dict())
    mine, theirs = (again, theirs) if way == "theirs to mine" else (mine, their_again)
    for t in range(7, 15):
        assert_equal_sides(mine, theirs, f"t = {t}")
        both_step(t)


@every_schedule
@pytest.mark.parametrize("last_epoch", [0, 4, 5])
def test_going_on_from_a_last_epoch(name: str, options: dict, last_epoch: int) -> None:
    pair = optimizers()
    for schedule in both(name, options, pair):
        for t in range(last_epoch):
            tried(lambda s=schedule, t=t: step(s, t))
    made, raised = tried(lambda: getattr(manual, name)(pair[0], **options, last_epoch=last_epoch))
    theirs, theirs_raised = tried(
        lambda: getattr(THEIRS, name)(pair[1], **options, last_epoch=last_epoch)
    )
    assert raised is theirs_raised
    if not raised:
        follow(made, theirs, steps=12)


SIMPLEST = dict(reversed(SCHEDULES))


@pytest.mark.parametrize("name", NAMES)
def test_a_last_epoch_needs_where_it_began(name: str) -> None:
    pair = optimizers()
    both(name, SIMPLEST[name], pair)
    for optimizer, library in zip(pair, (manual, THEIRS), strict=True):
        del optimizer.param_groups[1]["initial_lr"]
        with pytest.raises(KeyError, match="initial_lr"):
            getattr(library, name)(optimizer, **SIMPLEST[name], last_epoch=5)
    message = (
        f"{name}: group 1 has no initial_lr for last_epoch to go on from; "
        "load the optimizer's state first"
    )
    with pytest.raises(KeyError) as raised:
        getattr(manual, name)(pair[0], **SIMPLEST[name], last_epoch=0)
    assert raised.value.args == (message,)


@pytest.mark.parametrize(
    "setting", ["initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"]
)
def test_one_cycle_goes_on_from_more(setting: str) -> None:
    optimizer, _ = optimizers()
    manual.OneCycleLR(optimizer, 0.5, 40)
    del optimizer.param_groups[0][setting]
    with pytest.raises(KeyError, match=f"OneCycleLR: group 0 has no {setting} for last_epoch"):
        manual.OneCycleLR(optimizer, 0.5, 40, last_epoch=3)


def test_one_cycle_without_momentum_goes_on_without() -> None:
    pair = optimizers()
    options = {"max_lr": 0.5, "total_steps": 40, "cycle_momentum": False}
    both("OneCycleLR", options, pair)
    follow(*both("OneCycleLR", options, pair, last_epoch=3), steps=20)


# States that do not fit


def refused(schedule: Any, state: Any, message: str) -> None:
    """It says so and is as before."""
    before = schedule.state_dict()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before


EVERY = {**SIMPLEST, **dict(reversed(PLATEAU)), "sequential": {}, "chained": {}}
COMBINED_NAMES = {"sequential": "SequentialLR", "chained": "ChainedScheduler"}


def stepped(name: str) -> dict[str, Any]:
    """The state of such a schedule one step later."""
    schedule, _ = sides(name, EVERY[name])
    step(schedule, 0)
    return schedule.state_dict()


@pytest.mark.parametrize("name", EVERY)
def test_a_state_that_lacks_something(name: str) -> None:
    schedule, _ = sides(name, EVERY[name])
    state = stepped(name)
    lacking = sorted({"_last_lr", max(state)})
    for key in lacking:
        del state[key]
    name = COMBINED_NAMES.get(name, name)
    refused(schedule, state, f"{name}.load_state_dict: missing {', '.join(lacking)}")


@pytest.mark.parametrize("name", EVERY)
def test_a_state_with_more_than_that(name: str) -> None:
    schedule, _ = sides(name, EVERY[name])
    state = {**stepped(name), "verbose": False, "much": 1}
    name = COMBINED_NAMES.get(name, name)
    refused(schedule, state, f"{name}.load_state_dict: unexpected much, verbose")


CHANGED = [
    ("StepLR", {"_last_lr": [0.1] * 3}, "_last_lr has 3 entries, expected 2"),
    ("StepLR", {"base_lrs": [0.1] * 3}, "base_lrs has 3 entries, expected 2"),
    ("StepLR", {"base_lrs": 0.1}, "base_lrs is 0.1, expected one like [0.2, 0.05]"),
    ("StepLR", {"last_epoch": None}, "last_epoch is None, expected one like 0"),
    ("StepLR", {"base_lrs": [0.1, None]}, "base_lrs is None, expected one like 0.05"),
    ("StepLR", {"gamma": [0.1]}, "gamma is [0.1], expected one like 0.1"),
    ("StepLR", {"gamma": "0.1"}, "gamma is '0.1', expected one like 0.1"),
    ("MultiStepLR", {"milestones": [3]}, "milestones is [3], expected one like Counter("),
    ("LambdaLR", {"lr_lambdas": [None]}, "lr_lambdas has 1 entries, expected 2"),
    (
        "LambdaLR",
        {"lr_lambdas": [None, {"a": 1}]},
        "lr_lambdas is {'a': 1}, expected one like None",
    ),
    ("LambdaLR", {"lr_lambdas": None}, "lr_lambdas is None, expected one like [None, None]"),
    ("CyclicLR", {"max_lrs": [0.5]}, "max_lrs has 1 entries, expected 2"),
    ("CyclicLR", {"max_lrs": [0.5] * 3}, "max_lrs has 3 entries, expected 2"),
    ("CyclicLR", {"_scale_fn_custom": {"a": 1}}, "_scale_fn_custom is {'a': 1}, expected one like"),
    ("CyclicLR", {"mode": 1}, "mode is 1, expected one like 'triangular'"),
    ("ReduceLROnPlateau", {"min_lrs": [0, 0, 0]}, "min_lrs has 3 entries, expected 2"),
    ("sequential", {"_milestones": [5]}, "_milestones has 1 entries, expected 2"),
    ("sequential", {"_schedulers": []}, "_schedulers has 0 entries, expected 3"),
    ("chained", {"_schedulers": [{}, {}, {}]}, "_schedulers has 3 entries, expected 2"),
    ("chained", {"_schedulers": [None, {}]}, "_schedulers is None, expected one like {"),
]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [pytest.param(*case, id=f"{case[0]}-{named(case[1])}") for case in CHANGED],
)
def test_a_state_of_something_else(name: str, change: dict, message: str) -> None:
    schedule, _ = sides(name, EVERY[name])
    place = f"{COMBINED_NAMES.get(name, name)}.load_state_dict"
    refused(schedule, {**stepped(name), **change}, f"{place}: {message}")


@pytest.mark.parametrize("kind", ["sequential", "chained"])
def test_a_state_that_does_not_fit_inside(kind: str) -> None:
    schedule, _ = sides(kind, {})
    state = stepped(kind)
    del state["_schedulers"][1]["gamma"]
    refused(schedule, state, "ExponentialLR.load_state_dict: missing gamma")


def test_a_function_keeps_what_no_state_has() -> None:
    own: list[Any] = [Falling(0.3), math.cos]
    schedule = manual.LambdaLR(optimizers()[0], own)
    state = schedule.state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.3}, None]
    state["lr_lambdas"][0]["rate"] = 7
    assert own[0].rate == 0.3
    schedule.load_state_dict({**state, "lr_lambdas": [None, None]})
    assert schedule.lr_lambdas == own
    assert own[0].rate == 0.3
    schedule.load_state_dict(state)
    assert schedule.lr_lambdas == own
    assert own[0].rate == 7
    refused(
        schedule,
        {**state, "lr_lambdas": [None, {"a": 1}]},
        "LambdaLR.load_state_dict: lr_lambdas is {'a': 1}, expected one like None",
    )


def test_a_state_shares_nothing_with_the_schedule() -> None:
    schedule = manual.ExponentialLR(optimizers()[0], 0.5)
    state = schedule.state_dict()
    state["base_lrs"][0] = 7.0
    assert schedule.base_lrs == [0.2, 0.05]
    schedule.load_state_dict(state)
    state["base_lrs"][0] = 8.0
    assert schedule.base_lrs == [7.0, 0.05]


# Groups that are added later


def with_a_third_group(pair: Any) -> None:
    pair[0].add_param_group({"params": [manual.Parameter(np.ones(2))], "lr": 0.8})
    pair[1].add_param_group({"params": [torch.nn.Parameter(torch.ones(2))], "lr": 0.8})


@pytest.mark.parametrize("saved", ["at once", "after a step"])
def test_a_group_that_is_added_later(saved: str) -> None:
    pair = optimizers()
    mine, theirs = both("ExponentialLR", {"gamma": 0.5}, pair)
    with_a_third_group(pair)
    if saved == "after a step":
        step(mine, 0)
        step(theirs, 0)
        assert mine.get_last_lr() == theirs.get_last_lr() == [0.1, 0.025, 0.4]
        assert mine.base_lrs == [0.2, 0.05, 0.8]
    again = optimizers()
    with_a_third_group(again)
    for source in (mine, theirs):
        schedule = manual.ExponentialLR(again[0], 0.5)
        schedule.load_state_dict(source.state_dict())
        assert schedule.get_last_lr() == source.get_last_lr()
        step(schedule, 1)
        assert schedule.base_lrs == [0.2, 0.05, 0.8]


@pytest.mark.parametrize(("own", "rate"), [({}, 0.4), ({"initial_lr": 0.6}, 0.3)], ids=str)
def test_a_group_that_is_added_later_starts_over(own: dict, rate: float) -> None:
    pair = optimizers()
    parts = [manual.StepLR(pair[0], 1), manual.ConstantLR(pair[0], 0.5)]
    schedule = manual.SequentialLR(pair[0], parts, [2])
    with_a_third_group(pair)
    pair[0].param_groups[2].update(own)
    step(schedule, 0)
    step(schedule, 1)
    assert schedule.get_last_lr() == pytest.approx([0.1, 0.025, rate])


def test_a_state_with_a_group_more_is_loaded_into_a_schedule_that_has_not_seen_it() -> None:
    before, after = optimizers(), optimizers()
    with_a_third_group(before)
    source = manual.ExponentialLR(before[0], 0.5)
    schedule = manual.ExponentialLR(after[0], 0.5)
    with_a_third_group(after)
    schedule.load_state_dict(source.state_dict())
    assert schedule.base_lrs == schedule.get_last_lr() == [0.2, 0.05, 0.8]


def test_a_plateau_cuts_a_group_that_was_added_later() -> None:
    pair = optimizers()
    mine, theirs = both("ReduceLROnPlateau", {"patience": 0, "min_lr": 0.03}, pair)
    state = theirs.state_dict()
    with_a_third_group(pair)
    again = manual.ReduceLROnPlateau(pair[0])
    again.load_state_dict(state)
    for _ in range(4):
        assert_equal_sides(again, theirs, "with a third group")
        again.step(1.0)
        theirs.step(1.0)
    mine.load_state_dict(theirs.state_dict())
    assert_equal_sides(mine, theirs, "at the end")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "LambdaLR",
            {"lr_lambda": halves},
            "LambdaLR: lr_lambdas has no entry for group 2, added later",
        ),
        ("CyclicLR", CYCLE, "CyclicLR: max_lrs has no entry for group 2, added later"),
        (
            "ReduceLROnPlateau",
            {"min_lr": [0.1, 0.1], "patience": -1},
            "ReduceLROnPlateau: min_lrs has no entry for group 2, added later",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else named(value),
)
def test_a_group_that_is_added_too_late(name: str, options: dict, message: str) -> None:
    pair = optimizers()
    mine, theirs = both(name, options, pair)
    with_a_third_group(pair)
    with pytest.raises(ValueError, match=f"^{message}$"):
        step(mine, 0)
    with pytest.raises((ValueError, RuntimeError)):
        step(theirs, 0)


def test_a_rate_that_rounding_took_below_zero_is_loaded() -> None:
    first, _ = optimizers()
    schedule = manual.LinearLR(first, 0.3, 0.0, 3)
    for _ in range(3):
        schedule.step()
    second, _ = optimizers()
    second.load_state_dict(first.state_dict())
    assert [g["lr"] for g in second.param_groups] == [g["lr"] for g in first.param_groups]


# Bad settings


def optimizer() -> Any:
    return optimizers()[0]


def adagrad() -> Any:
    return manual.Adagrad([manual.Parameter(np.ones(2))])


TOTAL = "expected total_steps, or epochs and steps_per_epoch"
NO_OPTIMIZER = "got a NoneType, expected an Optimizer"


def bad(name: str, error: type, message: str, *arguments: Any, **options: Any) -> Any:
    """A constructor call that raises; an optimizer stands first but for another one."""
    return pytest.param(
        name, arguments, options, error, f"{name}: {message}", id=f"{name}-{message[:40]}"
    )


BAD = [
    *(bad(n, TypeError, NO_OPTIMIZER, None, **SIMPLEST[n]) for n in NAMES),
    bad("ReduceLROnPlateau", TypeError, NO_OPTIMIZER, None),
    bad("StepLR", ValueError, "step_size is 0, expected at least 1", step_size=0),
    bad("StepLR", ValueError, "step_size is nan, expected at least 1", step_size=math.nan),
    bad("ConstantLR", ValueError, "factor is 1.001, expected 0 to 1", factor=1.001),
    bad("ConstantLR", ValueError, "factor is -0.001, expected 0 to 1", factor=-0.001),
    bad("ConstantLR", ValueError, "factor is nan, expected 0 to 1", factor=math.nan),
    bad("LinearLR", ValueError, "start_factor is 0, expected 0 < f <= 1", start_factor=0),
    bad("LinearLR", ValueError, "start_factor is 1.001, expected 0 < f <= 1", start_factor=1.001),
    bad("LinearLR", ValueError, "end_factor is -0.001, expected 0 to 1", end_factor=-0.001),
    bad("LinearLR", ValueError, "end_factor is 1.001, expected 0 to 1", end_factor=1.001),
    bad("CosineAnnealingLR", ValueError, "T_max is 0, expected at least 1", T_max=0),
    bad("CosineAnnealingWarmRestarts", ValueError, "T_0 is 0, expected at least 1", T_0=0),
    bad(
        "CosineAnnealingWarmRestarts",
        ValueError,
        "T_mult is 0, expected at least 1",
        T_0=1,
        T_mult=0,
    ),
    *(
        case
        for name in ("LambdaLR", "MultiplicativeLR")
        for case in (
            bad(name, ValueError, "1 values of lr_lambda for 2 groups", lr_lambda=[halves]),
            bad(name, TypeError, "lr_lambda is a int, expected a function", lr_lambda=(halves, 1)),
        )
    ),
    bad("ReduceLROnPlateau", ValueError, "mode is 'x', expected min or max", mode="x"),
    bad(
        "ReduceLROnPlateau",
        ValueError,
        "threshold_mode is 'x', expected rel or abs",
        threshold_mode="x",
    ),
    bad("ReduceLROnPlateau", ValueError, "factor is 1, expected less than 1", factor=1),
    bad("ReduceLROnPlateau", ValueError, "1 values of min_lr for 2 groups", min_lr=[0.1]),
    bad(
        "CyclicLR",
        ValueError,
        "mode is 'x', expected triangular, … or a scale_fn",
        **CYCLE,
        mode="x",
    ),
    bad(
        "CyclicLR",
        ValueError,
        "scale_mode is 'x', expected cycle, iterations",
        **CYCLE,
        scale_mode="x",
    ),
    bad("CyclicLR", ValueError, "step_size_up is 0, expected at least 1", **CYCLE, step_size_up=0),
    bad(
        "CyclicLR",
        ValueError,
        "step_size_down is -1, expected at least 0",
        **CYCLE,
        step_size_down=-1,
    ),
    bad("CyclicLR", ValueError, "1 values of base_lr for 2 groups", base_lr=[1], max_lr=2),
    bad("CyclicLR", ValueError, "1 values of max_lr for 2 groups", base_lr=1, max_lr=[2]),
    bad("CyclicLR", ValueError, "cycle_momentum, but Adagrad has none", adagrad(), **CYCLE),
    bad("OneCycleLR", ValueError, "cycle_momentum, but Adagrad has none", adagrad(), **ONE),
    *(
        case
        for name, options in (("CyclicLR", CYCLE), ("OneCycleLR", ONE))
        for case in (
            bad(
                name,
                ValueError,
                "1 values of base_momentum for 2 groups",
                **options,
                base_momentum=[0.8],
            ),
            bad(
                name,
                ValueError,
                "1 values of max_momentum for 2 groups",
                **options,
                max_momentum=[0.8],
            ),
        )
    ),
    bad("OneCycleLR", ValueError, "1 values of max_lr for 2 groups", max_lr=[0.1], total_steps=3),
    bad("OneCycleLR", ValueError, TOTAL, max_lr=0.1, epochs=3),
    bad("OneCycleLR", ValueError, TOTAL, max_lr=0.1, steps_per_epoch=3),
    bad("OneCycleLR", ValueError, "total_steps is 0, expected at least 1", max_lr=1, total_steps=0),
    bad(
        "OneCycleLR",
        ValueError,
        "epochs is 0, expected at least 1",
        max_lr=1,
        epochs=0,
        steps_per_epoch=1,
    ),
    bad(
        "OneCycleLR",
        ValueError,
        "steps_per_epoch is 0, expected at least 1",
        max_lr=1,
        epochs=1,
        steps_per_epoch=0,
    ),
    bad("OneCycleLR", ValueError, "pct_start is 1.001, expected 0 to 1", **ONE, pct_start=1.001),
    bad("OneCycleLR", ValueError, "pct_start is -0.001, expected 0 to 1", **ONE, pct_start=-0.001),
    bad(
        "OneCycleLR",
        ValueError,
        "anneal_strategy is 'x', expected cos or linear",
        **ONE,
        anneal_strategy="x",
    ),
]


@pytest.mark.parametrize(("name", "arguments", "options", "error", "message"), BAD)
def test_bad_settings_say_so(
    name: str, arguments: Any, options: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        getattr(manual, name)(*arguments or (optimizer(),), **options)


def test_a_schedule_of_ones_own_needs_next() -> None:
    with pytest.raises(TypeError, match=r"^LRScheduler: got a NoneType, expected an Optimizer$"):
        LRScheduler(None)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match=r"^LRScheduler has no next$"):
        LRScheduler(optimizer())


def test_one_cycle_ends() -> None:
    schedule = manual.OneCycleLR(optimizer(), 0.1, 2)
    schedule.step()
    schedule.step()
    with pytest.raises(ValueError, match=r"^OneCycleLR: step 3 of 2$"):
        schedule.step()


def sequential(own: Any, schedules: Any, milestones: Any = (3,)) -> Any:
    return manual.SequentialLR(own, schedules, milestones)


def chained(own: Any, schedules: Any) -> Any:
    return manual.ChainedScheduler(schedules, own)


@pytest.mark.parametrize("make", [sequential, chained])
@pytest.mark.parametrize(
    ("first", "second", "error", "message"),
    [
        (
            manual.StepLR,
            lambda own, _: manual.ReduceLROnPlateau(own),
            ValueError,
            "schedule 1 is ReduceLROnPlateau, which needs a metric",
        ),
        (
            manual.StepLR,
            lambda _, size: manual.StepLR(optimizer(), size),
            ValueError,
            "schedule 1 belongs to another optimizer",
        ),
        (manual.StepLR, lambda *_: None, TypeError, "schedule 1 is a NoneType"),
        (lambda *_: None, manual.StepLR, TypeError, "schedule 0 is a NoneType"),
    ],
    ids=["plateau", "another optimizer", "none", "none first"],
)
def test_what_cannot_be_combined(
    make: Any, first: Any, second: Any, error: type, message: str
) -> None:
    own = optimizer()
    with pytest.raises(error, match=f"(SequentialLR|ChainedScheduler): {message}$"):
        make(own, [first(own, 2), second(own, 2)])


@pytest.mark.parametrize("make", [sequential, chained])
def test_no_schedules(make: Any) -> None:
    with pytest.raises(
        ValueError, match=r"(SequentialLR|ChainedScheduler): there are no schedules$"
    ):
        make(optimizer(), [])


def test_the_optimizer_of_a_chain_is_that_of_its_schedules() -> None:
    own = optimizer()
    schedules = [manual.StepLR(own, 2), manual.StepLR(own, 3)]
    assert manual.ChainedScheduler(schedules).optimizer is own
    with pytest.raises(ValueError, match="ChainedScheduler: schedule 0 belongs to another"):
        manual.ChainedScheduler(schedules, optimizer())
    with pytest.raises(ValueError, match="ChainedScheduler: there are no schedules"):
        manual.ChainedScheduler([])
    with pytest.raises(TypeError, match="ChainedScheduler: schedule 0 is a NoneType"):
        manual.ChainedScheduler([None])  # type: ignore[list-item]


@pytest.mark.parametrize("milestones", [[], [3, 5]])
def test_milestones_stand_between_schedules(milestones: list[int]) -> None:
    own = optimizer()
    message = f"^SequentialLR: {len(milestones)} milestones for 2 schedules, expected one between "
    with pytest.raises(ValueError, match=f"{message}each two$"):
        sequential(own, [manual.StepLR(own, 2), manual.StepLR(own, 3)], milestones)


@pytest.mark.parametrize("kind", ["chained later", "sequential later"])
def test_what_can_only_stand_first(kind: str) -> None:
    schedule = combine(manual, optimizer(), kind)
    schedule.step()
    schedule.step()
    inner = "ChainedScheduler" if "chained" in kind else "SequentialLR"
    message = f"^{inner}: a SequentialLR can only begin with it, as in PyTorch$"
    with pytest.raises(NotImplementedError, match=message):
        schedule.step()


def test_only_a_sequence_counts() -> None:
    for library, own in zip((manual, THEIRS), optimizers(), strict=True):
        chain, after = combine(library, own, "chained"), combine(library, own, "sequential")
        assert not hasattr(chain, "last_epoch")
        assert after.last_epoch == 0
