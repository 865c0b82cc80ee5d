"""The command `backprop`. PyTorch is imported only once there is something to train."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NoReturn

from manual.worked_example import BIASES, RULES

from .experiments import (
    ACTIVATIONS,
    COMPARISONS,
    EXPERIMENTS,
    OPTIMIZERS,
    SCHEDULES,
    SettingError,
    Settings,
)

AGREE, DISAGREE, BAD_INPUT = 0, 1, 2


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def widths(text: str) -> tuple[int, ...]:
    """'128,64' -> (128, 64)."""
    return tuple(int(width) for width in text.split(","))


def parser() -> Parser:
    top = Parser(
        prog="backprop",
        description="Backpropagation by hand in NumPy beside PyTorch, and proof that they agree.",
        epilog="example: backprop train worked-example",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="name the experiments", epilog="example: backprop list")
    train = commands.add_parser(
        "train",
        help="train one experiment by hand and in PyTorch, side by side",
        epilog="example: backprop train digits-mlp --steps 500 --activation tanh",
    )
    train.add_argument("experiment", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    train.add_argument("--steps", type=int, help="optimizer steps")
    train.add_argument("--lr", type=float, help="learning rate")
    train.add_argument("--optimizer", help=", ".join(OPTIMIZERS))
    train.add_argument("--schedule", help=", ".join(SCHEDULES))
    train.add_argument("--batch-size", type=int, help="samples a step")
    train.add_argument("--hidden", type=widths, metavar="N[,N...]", help="hidden layers' widths")
    train.add_argument("--activation", help=", ".join(ACTIVATIONS))
    train.add_argument("--dtype", help="float32, float64")
    train.add_argument("--seed", type=int, help="for first weights and batches")
    train.add_argument(
        "--compare",
        help=f"{', '.join(COMPARISONS)}: two independent trajectories (the default in float64), or "
        "each step from equal weights (in float32, where one flipped ReLU parts trajectories)",
    )
    train.add_argument("--rule", help=f"worked-example: {', '.join(RULES)}")
    train.add_argument("--biases", help=f"worked-example: {', '.join(BIASES)}")
    train.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")
    train.add_argument("--name", help="of the run; default: the experiment's, numbered if taken")
    return top


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The experiment's defaults with what was given on the command line put in."""
    name = arguments.experiment
    if name not in EXPERIMENTS:
        raise SettingError(f"there is no experiment {name!r}: choose from {', '.join(EXPERIMENTS)}")
    given = {field.name: getattr(arguments, field.name) for field in fields(Settings)}
    given = {key: value for key, value in given.items() if value is not None}
    return replace(EXPERIMENTS[name].defaults, **given).resolve()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 for yes, 1 for "they disagree", 2 for bad input."""
    arguments = parser().parse_args(argv)
    if arguments.command == "list":
        for name, experiment in EXPERIMENTS.items():
            print(f"{name:16}{experiment.summary}")
        return AGREE
    logdir, name = arguments.logdir, arguments.name
    try:
        settings = settings_from(arguments)
        if name is not None and (name in ("", ".", "..") or Path(name).name != name):
            raise SettingError(f"--name {name!r}: expected a plain name for a directory")
        problem = EXPERIMENTS[settings.experiment].build(settings)
        from .training import train

        return AGREE if train(settings, problem, logdir, name) else DISAGREE
    except SettingError as error:
        reason = str(error)
    except FileExistsError as error:
        reason = f"{error.filename} exists already: choose another --name or --logdir"
    except OSError as error:
        reason = f"--logdir {logdir}: {error.strerror}"
    print(f"backprop train: {reason}", file=sys.stderr)
    return BAD_INPUT
