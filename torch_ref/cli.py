"""The command `backprop`. PyTorch is imported only once there is something to train."""

import argparse
import math
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn

from manual.walkthrough import DescriptionError
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

LOSS_NAMES = ("half-squared", "mse", "cross-entropy")
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
    board = commands.add_parser(
        "board",
        help="open TensorBoard on the runs",
        description="Ends with Ctrl-C. Every point of every curve is kept.",
        epilog="example: backprop board --port 6007",
    )
    board.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")
    board.add_argument("--port", type=count, default=6006, help="default: 6006")
    add_explain(commands)
    add_check(commands)
    add_bundle(commands)
    return top


def add_explain(commands: Any) -> None:
    explain = commands.add_parser(
        "explain",
        help="write out one training step, formula by formula; or one layer's derivation",
        description="Without an argument: the article's network.",
        epilog="example: backprop explain --layers 3-4-2 --activation tanh --loss cross-entropy "
        "--html step.html",
    )
    explain.add_argument(
        "what",
        nargs="?",
        metavar="CLASS | FILE.json",
        help="a public class, such as Linear; or a file with weights, biases, x and t",
    )
    explain.add_argument("--layers", metavar="N-N[-N...]", help="widths of a network, as in 3-4-2")
    explain.add_argument("--activation", help="of the hidden layers; default: sigmoid")
    explain.add_argument("--loss", choices=LOSS_NAMES, help="default: mse")
    explain.add_argument("--samples", type=count, help="in the batch; default: 1")
    explain.add_argument("--lr", type=learning_rate, help="default: 0.1; the article's: 0.5")
    explain.add_argument("--seed", type=count, help="for weights and data; default: 0")
    explain.add_argument("--step", type=count, default=0, help="show the step after so many")
    explain.add_argument(
        "--view", choices=("neurons", "matrices"), help="default: neurons, if there is one sample"
    )
    explain.add_argument("--html", type=Path, metavar="FILE", help="write a page instead")


def add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="check your own backward pass against PyTorch, and name the mistake in it",
        description="Exits with 0 if all agrees, 1 if not, 2 for what cannot be run.",
        epilog="example: backprop check mine.py:Linear --against torch.nn.Linear --args 3 4 "
        "--input 5,3",
    )
    check.add_argument(
        "mine",
        metavar="FILE:NAME | FILE:FORWARD,BACKWARD | DIR",
        help="a class with forward and backward, a torch.autograd.Function, two functions, or a "
        "bundle's directory",
    )
    check.add_argument(
        "--against",
        required=True,
        metavar="NAME",
        help="the reference: a class or function of PyTorch's, FILE:NAME, for a bundle also an "
        "experiment",
    )
    check.add_argument("--mine-args", nargs="*", metavar="ARG", help="default: those of --args")
    check.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NAME=LAYOUT",
        help="where a parameter of the reference stands in yours: weight=W.T, weight=w.flat, "
        "weight_hh_l0=Wh.T@ifog",
    )
    check.add_argument(
        "--extra", action="append", default=[], metavar="JSON", help="for forward, after parameters"
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    add_reference(check)


def add_bundle(commands: Any) -> None:
    bundle = commands.add_parser(
        "bundle",
        help="write a reference's inputs, outputs and gradients as .npy files",
        epilog="example: backprop bundle worked-example --steps 3 --out article",
    )
    bundle.add_argument(
        "reference",
        metavar="EXPERIMENT | NAME",
        help=f"{', '.join(EXPERIMENTS)}; or a class or function, torch.nn.Linear or FILE:NAME",
    )
    bundle.add_argument("--out", type=Path, required=True, metavar="DIR", help="not there yet")
    add_reference(bundle)


def add_reference(command: Any) -> None:
    """What describes a reference and what it is run on."""
    command.add_argument(
        "--args", nargs="*", default=[], metavar="ARG", help="for its constructor: 3 4 bias=False"
    )
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="SPEC",
        help="sizes 5,3 (normal), 5,3:uniform, 5:int<4, or a .npy file; once for each input",
    )
    command.add_argument("--loss", choices=LOSS_NAMES, help="gives the upstream gradient")
    command.add_argument("--lr", type=learning_rate, help="learning rate")
    command.add_argument("--steps", type=count, default=0, help="of gradient descent; default: 0")
    command.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    command.add_argument("--seed", type=count, default=0)


def count(text: str) -> int:
    """A number from 0 up."""
    if not text.isdecimal() or int(text) > 10**6:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1,000,000, not {text!r}")
    return int(text)


def learning_rate(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return value


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
        top.error(
            "expected a command: list, train, board, explain, check or bundle; --help says more"
        )
    if arguments.command == "list":
        for name, experiment in EXPERIMENTS.items():
            print(f"{name:16}{experiment.summary}\n{'':16}{experiment.defaults.options()}")
        return AGREE
    try:
        if arguments.command == "train":
            return run_train(arguments)
        if arguments.command == "board":
            return run_board(arguments)
        from .commands import RUN
        from .layouts import CandidateError

        try:
            return AGREE if RUN[arguments.command](arguments) else DISAGREE
        except (CandidateError, DescriptionError) as error:
            reason = str(error)
    except SettingError as error:
        reason = str(error)
    except KeyboardInterrupt:
        kept = "; what was logged so far is kept" if arguments.command == "train" else ""
        print(f"\nbackprop {arguments.command}: interrupted{kept}", file=sys.stderr)
        return INTERRUPTED
    print(f"backprop {arguments.command}: {reason}", file=sys.stderr)
    return BAD_INPUT


def run_board(arguments: argparse.Namespace) -> int:
    """TensorBoard in the foreground, until it is interrupted."""
    import subprocess

    if not arguments.logdir.is_dir():
        raise SettingError(f"--logdir {arguments.logdir}: there is no such directory yet")
    if not 0 < arguments.port < 65536:
        raise SettingError(f"--port {arguments.port}: expected 1 to 65535")
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(arguments.logdir)]
    # 0 would stand for all of them, but TensorBoard's fast data server takes it for none.
    words += ["--samples_per_plugin", "scalars=100000,images=100", "--port", str(arguments.port)]
    board = subprocess.Popen(words)
    try:
        return AGREE if board.wait() == 0 else BAD_INPUT
    except KeyboardInterrupt:
        board.terminate()
        board.wait()
        return AGREE


def run_train(arguments: argparse.Namespace) -> int:
    """Train an experiment."""
    logdir, name = arguments.logdir, arguments.name
    settings = settings_from(arguments)
    if name is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise SettingError(f"--name {name!r}: expected a plain name for a directory")
    problem = EXPERIMENTS[settings.experiment].build(settings)
    from .training import train

    return AGREE if train(settings, problem, logdir, name) else DISAGREE
