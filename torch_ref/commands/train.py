"""`backprop train`: train one experiment by hand and in PyTorch, side by side."""

import argparse
from pathlib import Path
from typing import Any

from .options import widths


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "train",
        help="train one experiment by hand and in PyTorch, side by side",
        description="What is not given is the experiment's own, which `backprop list` shows.",
        epilog="example: backprop train digits-mlp --steps 500 --activation tanh",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..training.experiments import EXPERIMENTS
    from ..training.settings import ACTIVATION_NAMES, COMPARISONS, OPTIMIZERS, SCHEDULES
    from .settings import options_of_their_own

    parser.add_argument("experiment", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    parser.add_argument("--steps", type=int, help="optimizer steps")
    parser.add_argument("--lr", type=float, help="learning rate")
    parser.add_argument("--optimizer", help=", ".join(OPTIMIZERS))
    parser.add_argument("--schedule", help=", ".join(SCHEDULES))
    parser.add_argument("--batch-size", type=int, help="samples a step")
    parser.add_argument("--hidden", type=widths, metavar="N[,N...]", help="hidden layers' widths")
    parser.add_argument("--activation", help=", ".join(ACTIVATION_NAMES))
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
        parser.add_argument(f"--{option}", type=how["type"], help=f"{names}: {how['help']}")
    parser.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--name", help="of the run; default: the experiment's, numbered if taken")


def run(arguments: argparse.Namespace) -> bool:
    """Train an experiment; whether both sides agreed throughout."""
    from ..training.experiments import EXPERIMENTS
    from ..training.settings import SettingError
    from .settings import settings_from

    settings = settings_from(arguments)
    name = arguments.name
    if name is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise SettingError(f"--name {name!r}: expected a plain name for a directory")
    problem = EXPERIMENTS[settings.experiment].build(settings)  # what is refused, is at once
    from ..training.session import train

    return train(problem, arguments.logdir, name)
