"""Options that several commands have, and what their values may be."""

import argparse
import math


def widths(text: str) -> tuple[int, ...]:
    """'128,64' or '128-64' -> (128, 64)."""
    try:
        return tuple(int(width) for width in text.replace("-", ",").split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths, as in 128,64, not {text!r}") from None


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


def add_reference(command: argparse.ArgumentParser) -> None:
    """What describes a reference and what it is run on; inputs.py reads it."""
    from manual.article.description import LOSSES, loss_named

    command.add_argument(
        "--args",
        nargs="*",
        default=[],
        metavar="ARG",
        help="for its constructor: 3 4 bias=False; an array: 3,4:normal",
    )
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="SPEC",
        help="sizes 5,3 (normal), 5,3:uniform, '5:int<4', or a .npy file; once for each input, in "
        "order or by name, x=5,3; a tuple of two: '(5,4 5,4)'",
    )
    command.add_argument(
        "--loss", type=loss_named, choices=tuple(LOSSES), help="gives the upstream gradient"
    )
    command.add_argument("--lr", type=learning_rate, help="learning rate")
    command.add_argument("--steps", type=count, default=0, help="of gradient descent; default: 0")
    command.add_argument(
        "--dtype", choices=("float32", "float64"), help="default: float64, a file's own"
    )
    command.add_argument("--seed", type=count, default=0)
