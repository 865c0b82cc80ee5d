"""`backprop train`: train one experiment by hand and in PyTorch, side by side."""

import argparse
from argparse import BooleanOptionalAction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import count, widths

if TYPE_CHECKING:
    from ..training.experiment import Problem


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "train",
        help="train by hand and in PyTorch, side by side: an experiment, or data of your own",
        description="What is not given is the experiment's own, which `backprop list` shows; of "
        "data of your own, what is printed first.",
        epilog="examples: backprop train digits-mlp --steps 500 --activation tanh; "
        "backprop train iris --layers 16,16; backprop train houses.csv --target price",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..training.experiments import EXPERIMENTS
    from ..training.settings import ACTIVATION_NAMES, COMPARISONS, OPTIMIZERS, SCHEDULES
    from ..training.sources import SETS
    from .settings import options_of_their_own

    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXPERIMENT",
        help=f"{', '.join(EXPERIMENTS)}; or DATA of your own: {', '.join(SETS)}, FILE.csv, "
        "FILE.npz with x and y, x.npy --target y.npy; or FILE.py:NAME, a network of your own, "
        "by hand or PyTorch's, or a function that returns one, with --data DATA",
    )
    parser.add_argument("--steps", type=int, help="optimizer steps")
    parser.add_argument("--lr", type=float, help="learning rate")
    parser.add_argument("--optimizer", help=", ".join(OPTIMIZERS))
    parser.add_argument("--schedule", help=", ".join(SCHEDULES))
    parser.add_argument("--batch-size", type=int, help="samples a step")
    parser.add_argument(
        "--hidden", "--layers", type=widths, metavar="N[,N...]", help="hidden layers' widths"
    )
    parser.add_argument(
        "--activation",
        help=f"{', '.join(ACTIVATION_NAMES)}; on DATA also one for each hidden layer, with commas",
    )
    parser.add_argument("--dtype", help="float32, float64")
    parser.add_argument("--seed", type=int, help="for first weights and batches")
    parser.add_argument(
        "--compare",
        help=f"{', '.join(COMPARISONS)}: two independent trajectories, or each step from equal "
        "weights; the default is the first in float64, the second in float32",
    )
    for option, owners in options_of_their_own().items():
        how = owners[0].defaults.own()[option]
        names = ", ".join(owner.name for owner in owners)
        kind = {"action": BooleanOptionalAction} if how["type"] is bool else {"type": how["type"]}
        parser.add_argument(
            f"--{option.replace('_', '-')}", default=None, help=f"{names}: {how['help']}", **kind
        )
    parser.add_argument(
        "--checkpoint-every",
        type=count,
        default=0,
        metavar="N",
        help="steps; default: only where the run is interrupted, by Ctrl-C or SIGTERM",
    )
    parser.add_argument(
        "--keep", type=count, default=1, metavar="N", help="so many checkpoints; default: 1"
    )
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with a run that was interrupted, as it was set"
    )
    parser.add_argument("--csv", action="store_true", help="write the curves as CSV as well")
    parser.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--name", help="of the run; default: the experiment's, numbered if taken")


def run(arguments: argparse.Namespace) -> bool:
    """Train an experiment; whether both sides agreed throughout."""
    from ..training.settings import SettingError
    from .settings import experiment_of, settings_from

    option = "name" if arguments.resume is None else "resume"
    name = getattr(arguments, option)
    if name is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise SettingError(f"--{option} {name!r}: expected a plain name for a directory")
    if arguments.keep < 1:
        raise SettingError(f"--keep {arguments.keep}: expected at least 1")
    if arguments.resume is not None:
        problem, csv = resumed(arguments)
    elif arguments.experiment is None:
        raise SettingError("expected an experiment, data of your own, or --resume RUN")
    else:
        experiment = experiment_of(arguments.experiment)
        problem = experiment.build(settings_from(arguments, experiment))  # refuses at once
        csv = arguments.csv
    from ..training.session import Saving, train

    saving = Saving(arguments.checkpoint_every, arguments.keep)
    going_on = arguments.resume is not None
    return train(problem, arguments.logdir, name, csv, saving, going_on).agrees


def resumed(arguments: argparse.Namespace) -> tuple["Problem", bool]:
    """The problem of a run that was interrupted, and whether it writes its curves as CSV.

    Raises:
        InputError: there is none, or settings are given that it has already.
    """
    from dataclasses import fields

    from ..training.curves import CURVES
    from ..training.restored import problem_of
    from ..training.settings import SettingError, Settings
    from .settings import experiment_of, options_of_their_own

    names = [field.name for field in fields(Settings)] + [*options_of_their_own()]
    if given := [name for name in names if getattr(arguments, name, None) is not None]:
        raise SettingError(f"--resume {arguments.resume}: {given[0]} is as it was, and not taken")
    path = arguments.logdir / arguments.resume
    return problem_of(path, experiment_of), (path / CURVES).is_file()
