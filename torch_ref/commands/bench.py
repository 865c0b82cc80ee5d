"""`backprop bench`: how fast a step is by hand, beside PyTorch."""

import argparse
import json
from pathlib import Path
from typing import Any

from .options import count


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "bench",
        help="time a training step by hand beside PyTorch's, interleaved",
        description="Every contender runs in a process of its own, in turn, round by round. First "
        "it is checked that all compute the same loss and gradients; exits with 1 if not.",
        epilog="example: backprop bench W1 W2a",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..benchmarks.workloads import WORKLOADS

    def workload(text: str) -> str:
        if text not in WORKLOADS:
            names = ", ".join(WORKLOADS)
            raise argparse.ArgumentTypeError(f"expected one of {names}, not {text!r}")
        return text

    named = "; ".join(f"{name} {what.summary}" for name, what in WORKLOADS.items())
    parser.add_argument(
        "workloads", nargs="*", type=workload, metavar="WORKLOAD", help=f"default: all. {named}"
    )
    parser.add_argument("--threads", type=at_least_one, default=1, help="of each; default: 1")
    parser.add_argument("--rounds", type=at_least_one, default=60, help="default: 60")
    parser.add_argument(
        "--warm-up", type=count, default=500, metavar="MS", help="milliseconds; default: 500"
    )
    parser.add_argument(
        "--before",
        type=Path,
        metavar="DIR",
        help="another checkout of this project: its `manual` is one more contender",
    )
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile, too: it takes a minute to begin"
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def at_least_one(text: str) -> int:
    """A number from 1 up."""
    if not count(text):
        raise argparse.ArgumentTypeError("expected at least 1, not 0")
    return count(text)


def run(arguments: argparse.Namespace) -> bool:
    """Race every workload, print what came of it, and say whether all contenders agreed."""
    from ..benchmarks.race import Conditions, race
    from ..benchmarks.report import circumstances, figures, heading, text
    from ..benchmarks.workloads import WORKLOADS
    from ..safe_files import InputError

    before = arguments.before and arguments.before.resolve()
    if before and not (before / "manual" / "__init__.py").exists():
        raise InputError(f"--before {arguments.before}: there is no manual/__init__.py")
    conditions = Conditions(
        rounds=arguments.rounds,
        warm_up=arguments.warm_up / 1000,
        threads=arguments.threads,
        before=before,
        compiled=arguments.compile,
    )
    if not arguments.json:
        print(heading(conditions))
    agree, results = True, {}
    for name in arguments.workloads or WORKLOADS:
        lanes = race(name, conditions)
        agree &= all(lane.report.agrees for lane in lanes)
        if arguments.json:
            goal = WORKLOADS[name].goal
            results[name] = {"goal": goal, "contenders": figures(lanes)}
        else:
            print(f"\n{text(name, lanes)}", flush=True)
    if arguments.json:
        print(json.dumps({**circumstances(conditions), "workloads": results}, indent=1))
    return agree
