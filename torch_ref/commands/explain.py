"""`backprop explain`: one training step, formula by formula; or a class with one step of it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import count, learning_rate, widths

if TYPE_CHECKING:
    from manual.article.description import Description

MOST_STEPS = 20_000
OF_A_NETWORK = ("activation", "loss", "samples", "lr", "seed")


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "explain",
        help="write out one training step, formula by formula; or a class's derivation and step",
        description="Without an argument: the article's network.",
        epilog="example: backprop explain --layers 3-4-2 --activation tanh --loss cross-entropy "
        "--html step.html",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from manual.article.description import LOSSES, loss_named

    parser.add_argument(
        "what",
        nargs="?",
        metavar="CLASS | FILE.json",
        help="a public class, such as Linear; or a file with weights, biases, x and t",
    )
    parser.add_argument(
        "--layers", type=widths, metavar="N-N[-N...]", help="widths of a network, as in 3-4-2"
    )
    parser.add_argument(
        "--activation", help="of the hidden layers, or of the only layer; default: sigmoid, none"
    )
    parser.add_argument("--loss", type=loss_named, choices=tuple(LOSSES), help="default: mse")
    parser.add_argument("--samples", type=count, help="in the batch; default: 1")
    parser.add_argument("--lr", type=learning_rate, help="default: 0.1; the article's: 0.5")
    parser.add_argument("--seed", type=count, help="for weights and data; default: 0")
    parser.add_argument("--step", type=count, default=0, help="show the step after so many")
    parser.add_argument(
        "--view", choices=("neurons", "matrices"), help="default: neurons, if there is one sample"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="what if: w5=0.3 i1=0 η=1"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page instead")
    parser.add_argument("--full", action="store_true", help="the page with nothing folded away")
    parser.add_argument(
        "--init", type=Path, metavar="FILE.json", help="write the network as a file to change"
    )


def run(arguments: argparse.Namespace) -> bool:
    """Print a walkthrough or a class's derivation, or write it as a page."""
    from manual.article.description import DescriptionError

    what = arguments.what
    names = ("layers", *OF_A_NETWORK)
    options = [f"--{name}" for name in names if getattr(arguments, name) is not None]
    if what is not None and options:
        raise DescriptionError(f"{what} says all of it: {' '.join(options)} is not taken with it")
    if what is not None and not what.endswith(".json"):
        if arguments.step or arguments.view or arguments.set or arguments.init or arguments.full:
            raise DescriptionError(
                f"{what}: --step, --view, --set, --init and --full are for networks"
            )
        if arguments.html:
            from ..explaining.class_page import write_class_page

            write_class_page(arguments.html, what)
            print(f"{arguments.html}: written; open it in any browser")
        else:
            from ..explaining.derivation import class_text

            print(class_text(what))
        return True
    if arguments.step > MOST_STEPS:
        raise DescriptionError(f"--step {arguments.step}: expected at most {MOST_STEPS:,}")
    if arguments.full and not arguments.html:
        raise DescriptionError("--full is for --html")
    network = network_from(arguments)
    if arguments.set:
        from ..explaining.description import with_numbers

        network = with_numbers(network, arguments.set)
    if arguments.init:
        from ..explaining.description import write_description

        write_description(arguments.init, network)
        print(f"{arguments.init}: written; see it by backprop explain {arguments.init}")
    elif arguments.html:
        from ..explaining.page import write_page

        write_page(arguments.html, network, arguments.step, arguments.view, arguments.full)
        print(f"{arguments.html}: written; open it in any browser")
    else:
        from ..explaining.terminal import text

        scalar = arguments.view == "neurons" or (not arguments.view and len(network.x) == 1)
        print(text(network, arguments.step, scalar))
    return True


def network_from(arguments: argparse.Namespace) -> "Description":
    """The network that the arguments describe."""
    from manual.article.description import DescriptionError, drawn_network, the_article

    from ..explaining.description import read_description

    if arguments.what is not None:
        return read_description(Path(arguments.what))
    if arguments.layers is None:
        for name in OF_A_NETWORK:
            if getattr(arguments, name) is not None:
                raise DescriptionError(
                    f"--{name} needs --layers: the article's network is as it is"
                )
        return the_article()
    from ..explaining.terminal import check_widths

    check_widths(arguments.layers)  # before any memory is taken
    return drawn_network(
        arguments.layers,
        arguments.activation,
        arguments.loss or "mse",
        arguments.seed or 0,
        1 if arguments.samples is None else arguments.samples,
        arguments.lr or 0.1,
    )
