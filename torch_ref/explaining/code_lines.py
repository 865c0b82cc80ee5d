"""The lines of code that compute what a formula says."""

import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import manual
from manual.article.scalars import scalars

OTHERWISE = {"value": "forward", "derivative": "backward"}  # of an activation without its own


@dataclass(frozen=True)
class Listing:
    """A function's source.

    Attributes:
        name: as in `Linear.forward`.
        file: where it stands, from the project's root.
        first: the number of its first line there.
        lines: its source.
        story: the docstring of its class, or of itself.
    """

    name: str
    file: str
    first: int
    lines: tuple[str, ...]
    story: str


@dataclass(frozen=True)
class CodeLine:
    """One line of a listing."""

    listing: Listing
    index: int

    @property
    def text(self) -> str:
        """Without its comment."""
        return re.sub(r"  # .*", "", self.listing.lines[self.index]).strip()

    @property
    def place(self) -> str:
        return f"{self.listing.file}:{self.listing.first + self.index}"

    @property
    def anchor(self) -> str:
        return f"{self.listing.name}-{self.index}"


@cache
def listing_of(name: str) -> Listing:
    """The source of `Class.method`, or of `module.function`, of this package's by-hand side."""
    owner, _, attribute = name.partition(".")
    found: Any = getattr(manual, owner)
    story = found.__doc__
    if inspect.isclass(found):
        names = attribute, OTHERWISE.get(attribute, attribute)
        owners = ((name, vars(c)) for c in found.__mro__ for name in names)
        attribute, function = next((n, own[n]) for n, own in owners if n in own)
    else:
        function = getattr(found, attribute)
        story = function.__doc__
    return listing(f"{owner}.{attribute}", function, story or "")


def listing(name: str, function: Callable[..., Any], story: str) -> Listing:
    lines, first = inspect.getsourcelines(function)
    code = textwrap.dedent("".join(lines)).rstrip().splitlines()
    file = f"{function.__module__.replace('.', '/')}.py"
    return Listing(name, file, first, tuple(code), inspect.cleandoc(story))


def code_line(source: str) -> CodeLine | None:
    """The line that an equation's `source` names: the one with its piece, or the last `return`."""
    if not source:
        return None
    name, _, piece = source.partition(": ")
    found = listing_of(name)
    wanted = [i for i, line in enumerate(found.lines) if (piece or "return ") in line]
    if not wanted or (piece and len(wanted) > 1):
        raise LookupError(f"{name}: {len(wanted)} lines have {piece or 'return'!r}, expected one")
    return CodeLine(found, wanted[-1])


SCALARS = listing("scalars", scalars, scalars.__doc__ or "")


def scalars_name(name: str) -> str:
    """What the article's form in scalars calls a quantity: `∂E/∂w5` is `dE_dw5`."""
    name = name.replace("/∂", "_d").replace("∂", "d").replace("⁺", "_new")
    if name.startswith("dout_"):  # which is named by the neuron once
        name = "dout_dnet_" + name.rpartition("_")[2]
    return "E_total" if name == "E" else name


def line_in_scalars(name: str) -> CodeLine | None:
    """Where the article's form in scalars computes a quantity, if it does."""
    start = f"{scalars_name(name)} = "
    indices = [i for i, line in enumerate(SCALARS.lines) if line.strip().startswith(start)]
    return CodeLine(SCALARS, indices[0]) if indices else None
