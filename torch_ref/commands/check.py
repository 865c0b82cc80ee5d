"""`backprop check`: someone's own backward pass against PyTorch."""

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..output import escaped
from .options import add_reference

if TYPE_CHECKING:
    from ..checking.report import Checked


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "check",
        help="check your own backward pass, and name the mistake in it",
        description="Exits with 0 if all agrees, 1 if not, 2 for what cannot be run.",
        epilog="example: backprop check mine.py:Linear --args 3 4 --input 5,3 checks it by its own "
        "forward pass; --against torch.nn.Linear has both checked against PyTorch's",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "mine",
        metavar="FILE:NAME | FILE:FORWARD,BACKWARD | FILE:FORWARD,LOSS,BACKWARD | DIR",
        help="a class with forward and backward, a torch.autograd.Function, functions, a bundle's "
        "directory; an optimizer or a schedule",
    )
    parser.add_argument(
        "--against",
        metavar="NAME",
        help="the reference: a class or function of PyTorch's, FILE:NAME, for a bundle also an "
        "experiment; default: your own forward pass",
    )
    parser.add_argument("--mine-args", nargs="*", metavar="ARG", help="default: those of --args")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NAME=LAYOUT",
        help="where a parameter of the reference stands in yours: weight=W.T, weight=w.flat, "
        "weight_hh_l0=Wh.T@ifog",
    )
    parser.add_argument(
        "--extra", action="append", default=[], metavar="JSON", help="for forward, after parameters"
    )
    parser.add_argument(
        "--audit", action="store_true", help="say which mistakes this check would have missed"
    )
    parser.add_argument(
        "--sweep", action="store_true", help="check other ranks, sizes of 1, strided arrays, too"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--sarif",
        type=Path,
        metavar="FILE",
        help="write the verdict with its line, for editors",
    )
    add_reference(parser)


def run(arguments: argparse.Namespace) -> bool:
    """Print the report of one check; whether all agrees."""
    of_bundle = Path(arguments.mine).is_dir()
    with redirect_stdout(sys.stderr):  # what the code prints is no part of the report
        checked = report_on_bundle(arguments) if of_bundle else report_on_code(arguments)
    if arguments.sarif is not None:
        from ..checking.sarif import write_sarif

        write_sarif(arguments.sarif, checked, arguments.mine)
    print(checked.json() if arguments.json else escaped(str(checked)))
    return checked.agrees


def report_on_bundle(arguments: argparse.Namespace) -> "Checked":
    from ..checking.bundle import Bundle, check_bundle
    from ..safe_files import InputError
    from . import inputs

    if arguments.against is None:
        raise InputError("--against: a bundle is checked against a reference: name it")
    for option in ("audit", "sweep"):
        if getattr(arguments, option):
            raise InputError(f"--{option} is for code: a bundle holds one pass, and no more")

    bundle = Bundle(Path(arguments.mine))
    known = inputs.experiment(arguments.against)
    return check_bundle(bundle, known.reference if known else inputs.reference_of(arguments))


def report_on_own_forward(arguments: argparse.Namespace) -> "Checked":
    """Code against its own forward pass."""
    from ..checking.own import check_own
    from ..safe_files import InputError
    from . import inputs, theirs

    for option in ("loss", "map"):
        if getattr(arguments, option):
            raise InputError(f"--{option} is for a check with --against")
    words = arguments.args if arguments.mine_args is None else arguments.mine_args
    found = inputs.find(arguments.mine)
    positional, named = inputs.handed_in(arguments)
    positional += extra_of(arguments)
    if arguments.dtype == "float32" and not theirs.is_torch(found):
        raise InputError("--dtype float32: by itself NumPy code is run in float64; name --against")
    if not isinstance(found, type):
        options = inputs.constructor_arguments(words)
        positional, named = [*positional, *options[0]], named | options[1]

    def report(mine: Any) -> "Checked":
        return check_own(mine, *positional, named=named, **options_of(arguments))

    return theirs.first_that_runs(report, found, words)


def options_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What every check takes."""
    names = ("lr", "steps", "seed", "audit", "sweep")
    return {name: getattr(arguments, name) for name in names}


def extra_of(arguments: argparse.Namespace) -> list[Any]:
    from ..safe_files import InputError

    try:
        return [json.loads(value) for value in arguments.extra]
    except ValueError:
        raise InputError(f"--extra {' '.join(arguments.extra)}: expected JSON") from None


def report_on_code(arguments: argparse.Namespace) -> "Checked":
    if arguments.against is None:
        return report_on_own_forward(arguments)
    from ..checking.own import check_both
    from ..safe_files import InputError
    from . import inputs, step_rules, theirs

    rule = step_rules.reference_named(arguments.against)
    if rule is not None:
        return step_rules.report_on_steps(arguments, rule)
    found = inputs.find(arguments.mine)
    reference = inputs.reference_of(arguments)
    words = arguments.args if arguments.mine_args is None else arguments.mine_args
    drawn = inputs.inputs_of(arguments)
    if any(isinstance(x, tuple) for x in drawn):
        raise InputError("--input '(…)': several in brackets are for a check without --against")
    loss, _ = inputs.the_loss(arguments.loss, reference, drawn, arguments.seed)
    layouts = {}
    for word in arguments.map:
        name, equals, layout = word.partition("=")
        if not equals:
            raise InputError(f"--map {word}: expected NAME=LAYOUT, as in weight=W.T")
        layouts[name] = layout

    def report(mine: Any) -> "Checked":
        return check_both(
            mine,
            reference,
            *drawn,
            layouts=layouts,
            extra=extra_of(arguments),
            loss=loss,
            **options_of(arguments),
        )

    return theirs.first_that_runs(report, found, words)
