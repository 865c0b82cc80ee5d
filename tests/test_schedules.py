"""Schedules against torch.optim.lr_scheduler, step by step, learning rate and momentum."""

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


def halves(t: int) -> float:
    return 0.5 + 0.5 / (1 + t)


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 7}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}),
    ("PolynomialLR", {}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": halves}),
    ("MultiplicativeLR", {"lr_lambda": halves}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "step_size_down": 2}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "mode": "triangular2"}),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9},
    ),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "scale_fn": halves}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 40}),
    ("OneCycleLR", {"max_lr": 0.5, "epochs": 4, "steps_per_epoch": 10, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 40, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": [0.5, 0.3], "total_steps": 40, "cycle_momentum": False}),
]


def optimizers(made: str, settings: dict) -> tuple[Any, Any]:
    """Two groups on each side, the second with a learning rate of its own."""
    mine = [manual.Parameter(np.ones(2)) for _ in range(2)]
    theirs = [torch.nn.Parameter(torch.ones(2).double()) for _ in range(2)]
    sides = []
    for module, parameters in ((manual, mine), (torch.optim, theirs)):
        groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.05}]
        sides.append(getattr(module, made)(groups, **settings))
    return sides[0], sides[1]


def values(optimizer: Any) -> list[float]:
    """Every group's learning rate and momentum."""
    return [
        value
        for group in optimizer.param_groups
        for value in (group["lr"], group.get("momentum", 0), *group.get("betas", ()))
    ]


def follow(mine: Any, theirs: Any, optimizers: Any, steps: int = 39) -> None:
    for _ in range(steps):
        assert values(optimizers[0]) == pytest.approx(values(optimizers[1]), rel=1e-12, abs=1e-18)
        assert mine.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12, abs=1e-18)
        for optimizer in optimizers:
            optimizer.step()
        mine.step()
        theirs.step()


@pytest.mark.parametrize(("made", "settings"), [("SGD", SGD), ("Adam", ADAM)])
@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_every_schedule(name: str, options: dict, made: str, settings: dict) -> None:
    pair = optimizers(made, settings)
    mine = getattr(manual, name)(pair[0], **options)
    theirs = getattr(torch.optim.lr_scheduler, name)(pair[1], **options)
    follow(mine, theirs, pair)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("options", [{}, {"cooldown": 2}, {"min_lr": 0.03, "patience": 0}])
def test_reduce_on_plateau(mode: str, threshold_mode: str, options: dict) -> None:
    options = {"patience": 2, "threshold": 0.05, "factor": 0.5, **options}
    options |= {"mode": mode, "threshold_mode": threshold_mode}
    pair = optimizers("SGD", SGD)
    mine = manual.ReduceLROnPlateau(pair[0], **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(pair[1], **options)
    for t in range(40):
        metric = 1 + math.cos(t / 3) / (1 + t / 5)
        mine.step(metric)
        theirs.step(metric)
        assert values(pair[0]) == pytest.approx(values(pair[1]), rel=1e-14), t
    assert mine.get_last_lr()[0] < 0.2


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
    if kind == "multiplicative first":
        parts = [
            library.MultiplicativeLR(optimizer, halves),
            library.StepLR(optimizer, step_size=2),
        ]
        return library.SequentialLR(optimizer, parts, milestones=[3])
    if kind == "one cycle later":
        parts = [
            library.PolynomialLR(optimizer, total_iters=20),
            library.OneCycleLR(optimizer, max_lr=0.3, total_steps=40),
        ]
        return library.SequentialLR(optimizer, parts, milestones=[8])
    if kind == "cyclic after another":
        parts = [
            library.ConstantLR(optimizer, 0.9),
            library.CyclicLR(optimizer, 0.01, 0.2, 2),
            library.ConstantLR(optimizer, 0.3, 3),
        ]
        return library.ChainedScheduler(parts)
    if kind == "chained inside":
        inner = [library.ConstantLR(optimizer, 0.1, 2), library.StepLR(optimizer, 2)]
        parts = [
            library.ChainedScheduler(inner, optimizer),
            library.ExponentialLR(optimizer, gamma=0.9),
        ]
        return library.SequentialLR(optimizer, parts, milestones=[5])
    return library.MultiStepLR(optimizer, [0, 0, 3], gamma=0.5)


# PyTorch takes the start of a ChainedScheduler inside a SequentialLR for a step of training.
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize(
    "kind",
    [
        "sequential",
        "chained",
        "multiplicative first",
        "one cycle later",
        "cyclic after another",
        "chained inside",
        "a milestone at once",
    ],
)
def test_schedules_of_schedules(kind: str) -> None:
    pair = optimizers("SGD", SGD)
    mine = combine(manual, pair[0], kind)
    theirs = combine(torch.optim.lr_scheduler, pair[1], kind)
    follow(mine, theirs, pair, steps=20)


@pytest.mark.parametrize("kind", ["sequential", "chained"])
def test_state_dict_and_back(kind: str) -> None:
    first, _ = optimizers("SGD", SGD)
    schedule = combine(manual, first, kind)
    for _ in range(7):
        schedule.step()
    second, _ = optimizers("SGD", SGD)
    again = combine(manual, second, kind)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(schedule.state_dict())
    for _ in range(6):
        schedule.step()
        again.step()
        assert values(first) == values(second)
    with pytest.raises(ValueError, match=r"StepLR.load_state_dict: missing or unexpected"):
        manual.StepLR(second, 2).load_state_dict({"gamma": 1})


def test_every_schedule_is_tested() -> None:
    tested = {name for name, _ in SCHEDULES}
    assert {*public(LRScheduler)} == tested | {
        "ReduceLROnPlateau",
        "SequentialLR",
        "ChainedScheduler",
    }


def optimizer() -> Any:
    return optimizers("SGD", SGD)[0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: manual.StepLR(None, 1), TypeError, "StepLR: got a NoneType"),
        (lambda: manual.StepLR(optimizer(), 0), ValueError, "step_size is 0"),
        (lambda: manual.StepLR(optimizer(), 2, last_epoch=3), NotImplementedError, "last_epoch"),
        (lambda: manual.ConstantLR(optimizer(), 2), ValueError, "factor is 2"),
        (lambda: manual.LinearLR(optimizer(), 0), ValueError, "start_factor is 0"),
        (lambda: manual.CosineAnnealingLR(optimizer(), 0), ValueError, "T_max is 0"),
        (
            lambda: manual.LambdaLR(optimizer(), [halves]),
            ValueError,
            "1 values of lr_lambda for 2 groups",
        ),
        (lambda: manual.OneCycleLR(optimizer(), 0.1), ValueError, "expected total_steps"),
        (lambda: manual.OneCycleLR(optimizer(), 0.1, 9, pct_start=2), ValueError, "pct_start"),
        (lambda: manual.CyclicLR(optimizer(), 0.1, [1]), ValueError, "1 values of max_lr"),
        (lambda: manual.CyclicLR(optimizer(), 0.1, 1, mode="x"), ValueError, "mode is 'x'"),
        (lambda: manual.ReduceLROnPlateau(optimizer(), "x"), ValueError, "mode is 'x'"),
        (lambda: manual.SequentialLR(optimizer(), [], []), ValueError, "no schedules"),
        (
            lambda: manual.CyclicLR(manual.Adagrad([manual.Parameter(np.ones(2))]), 0.1, 0.2),
            ValueError,
            "cycle_momentum, but Adagrad has none",
        ),
    ],
)
def test_bad_settings_say_so(make: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_group_that_is_added_later() -> None:
    pair = optimizers("SGD", SGD)
    mine = manual.ExponentialLR(pair[0], 0.5)
    theirs = torch.optim.lr_scheduler.ExponentialLR(pair[1], 0.5)
    pair[0].add_param_group({"params": [manual.Parameter(np.ones(2))], "lr": 0.8})
    pair[1].add_param_group({"params": [torch.nn.Parameter(torch.ones(2))], "lr": 0.8})
    for optimizer in pair:
        optimizer.step()
    mine.step()
    theirs.step()
    assert values(pair[0]) == pytest.approx(values(pair[1]))


def test_a_combined_state_that_does_not_fit_changes_nothing() -> None:
    schedule = combine(manual, optimizers("SGD", SGD)[0], "chained")
    before = schedule.state_dict()
    wrong = schedule.state_dict()
    wrong["schedulers"][1] = {"gamma": 1}
    for state in ({}, wrong):
        with pytest.raises(ValueError, match="load_state_dict: missing or unexpected"):
            schedule.load_state_dict(state)
        assert schedule.state_dict() == before


def test_a_rate_that_rounding_took_below_zero_is_loaded() -> None:
    first, _ = optimizers("SGD", SGD)
    schedule = manual.LinearLR(first, 0.3, 0.0, 3)
    for _ in range(3):
        schedule.step()
    second, _ = optimizers("SGD", SGD)
    second.load_state_dict(first.state_dict())
    assert values(first) == values(second)
