"""`backprop train`: train one experiment by hand and in PyTorch, side by side."""

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..training.experiment import Experiment
from ..training.experiments import EXPERIMENTS
from ..training.settings import (
    ACTIVATION_NAMES,
    COMPARISONS,
    OPTIMIZERS,
    SCHEDULES,
    SettingError,
    Settings,
)
from .options import widths


def add_parser(commands: Any) -> Any:
    train = commands.add_parser(
        "train",
        help="train one experiment by hand and in PyTorch, side by side",
        description="What is not given is the experiment's own, which `backprop list` shows.",
        epilog="example: backprop train digits-mlp --steps 500 --activation tanh",
    )
    train.add_argument("experiment", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    train.add_argument("--steps", type=int, help="optimizer steps")
    train.add_argument("--lr", type=float, help="learning rate")
    train.add_argument("--optimizer", help=", ".join(OPTIMIZERS))
    train.add_argument("--schedule", help=", ".join(SCHEDULES))
    train.add_argument("--batch-size", type=int, help="samples a step")
    train.add_argument("--hidden", type=widths, metavar="N[,N...]", help="hidden layers' widths")
    train.add_argument("--activation", help=", ".join(ACTIVATION_NAMES))
    train.add_argument("--dtype", help="float32, float64")
    train.add_argument("--seed", type=int, help="for first weights and batches")
    train.add_argument(
        "--compare",
        help=f"{', '.join(COMPARISONS)}: two independent trajectories, or each step from equal "
        "weights; the default is the first in float64, the second in float32",
    )
    for option, owners in choices_of_their_own().items():
        help_of_each = (f"{e.name}: {', '.join(e.defaults.choices()[option])}" for e in owners)
        train.add_argument(f"--{option}", help="; ".join(help_of_each))
    train.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")
    train.add_argument("--name", help="of the run; default: the experiment's, numbered if taken")
    return train


def choices_of_their_own() -> dict[str, list[Experiment]]:
    """The options that not every experiment has, and those that have them."""
    owners: dict[str, list[Experiment]] = {}
    for experiment in EXPERIMENTS.values():
        for option in experiment.defaults.choices():
            owners.setdefault(option, []).append(experiment)
    return owners


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The experiment's defaults with what was given on the command line put in.

    Raises:
        SettingError: there is no such experiment, it has no such choice, or one has no meaning.
    """
    name = arguments.experiment
    if name not in EXPERIMENTS:
        raise SettingError(f"there is no experiment {name!r}: choose from {', '.join(EXPERIMENTS)}")
    defaults = EXPERIMENTS[name].defaults
    known = [field.name for field in fields(defaults)]
    for option, owners in choices_of_their_own().items():
        value = getattr(arguments, option)
        if value is not None and option not in known:
            names = " and ".join(owner.name for owner in owners)
            raise SettingError(f"--{option} {value}: only {names} has a choice of {option}")
    asked = {option: getattr(arguments, option) for option in known}
    asked = {option: value for option, value in asked.items() if value is not None}
    return replace(defaults, **asked).resolve()


def run(arguments: argparse.Namespace) -> bool:
    """Train an experiment; whether both sides agreed throughout."""
    settings = settings_from(arguments)
    name = arguments.name
    if name is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise SettingError(f"--name {name!r}: expected a plain name for a directory")
    problem = EXPERIMENTS[settings.experiment].build(settings)  # what is refused, is at once
    from ..training.session import train

    return train(problem, arguments.logdir, name)
