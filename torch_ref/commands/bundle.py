"""`backprop bundle`: a reference's pass as .npy files, to be checked from any language."""

import argparse
from pathlib import Path
from typing import Any

from .options import add_reference


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "bundle",
        help="write a reference's inputs, outputs and gradients as .npy files",
        epilog="example: backprop bundle worked-example --steps 3 --out article",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..training.experiments import EXPERIMENTS

    parser.add_argument(
        "reference",
        metavar="EXPERIMENT | NAME",
        help=f"{', '.join(EXPERIMENTS)}; or a class or function, torch.nn.Linear or FILE:NAME",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="not there yet")
    add_reference(parser)


def run(arguments: argparse.Namespace) -> bool:
    """Write the bundle, and say how it is used."""
    import torch

    from ..checking.bundle import upstream_of, write
    from ..checking.reference import outputs_of, random_like
    from ..twin import to_torch
    from .inputs import problem_of

    problem = problem_of(arguments)
    with torch.no_grad():
        outputs = outputs_of(problem.reference, [to_torch(x) for x in problem.inputs])
    drawn = random_like(outputs, arguments.seed + 1)
    upstream = upstream_of(problem.loss, problem.target, [g.numpy() for g in drawn])
    name = " ".join([arguments.reference, *arguments.args])
    out = write(
        arguments.out,
        problem.reference,
        problem.inputs,
        upstream,
        name,
        problem.loss,
        problem.target,
        problem.lr,
        arguments.steps,
    )
    words = f" --args {' '.join(arguments.args)}" if arguments.args else ""
    print(f"{out}: {len(list(out.glob('*.npy')))} arrays and index.json, by {name}")
    print(
        f"to check a copy that was filled in elsewhere:\n  backprop check COPY --against "
        f"{arguments.reference}{words}"
    )
    return True
