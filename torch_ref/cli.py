"""The command `backprop`. PyTorch is imported only once there is something to train."""

import argparse
import signal
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

AGREE, DISAGREE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def widths(text: str) -> tuple[int, ...]:
    """'128,64' -> (128, 64)."""
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths, as in 128,64, not {text!r}") from None


def parser() -> Parser:
    top = Parser(
        prog="backprop",
        description="Backpropagation by hand in NumPy beside PyTorch, and proof that they agree.",
        epilog="example: backprop train worked-example",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("list", help="name the experiments", epilog="example: backprop list")
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
    train.add_argument("--activation", help=", ".join(ACTIVATIONS))
    train.add_argument("--dtype", help="float32, float64")
    train.add_argument("--seed", type=int, help="for first weights and batches")
    train.add_argument(
        "--compare",
        help=f"{', '.join(COMPARISONS)}: two independent trajectories, or each step from equal "
        "weights; the default is the first in float64, the second in float32",
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
    if hasattr(signal, "SIGPIPE"):  # `backprop list | head` ends without a word
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command is None:
        top.error("expected a command, list or train; --help says more")
    if arguments.command == "list":
        for name, experiment in EXPERIMENTS.items():
            print(f"{name:16}{experiment.summary}\n{'':16}{experiment.defaults.options()}")
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
    except KeyboardInterrupt:
        print("\nbackprop train: interrupted; what was logged so far is kept", file=sys.stderr)
        return INTERRUPTED
    print(f"backprop train: {reason}", file=sys.stderr)
    return BAD_INPUT
