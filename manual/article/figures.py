"""Every number that the article prints, and the run that gives exactly its digits."""

from dataclasses import dataclass
from itertools import islice

from .example import Round
from .matrices import matrices
from .modules import modules
from .scalars import scalars

FORMS = {"scalars": scalars, "matrices": matrices, "modules": modules}


@dataclass(frozen=True)
class Figure:
    """A number that the article prints, and the run that gives exactly its digits.

    `round`, `rule` and `biases` say which run reproduces it, and `digits` what of it, where that is
    not what is printed. `said_of` is the round of which the article says it.
    """

    name: str
    quantity: str
    printed: str
    round: int
    rule: str = "simultaneous"
    biases: str = "fixed"
    claimed_round: int | None = None
    slipped: str | None = None
    why: str = ""

    @property
    def digits(self) -> str:
        return self.slipped or self.printed

    @property
    def decimals(self) -> int:
        """How many digits after the point the article prints."""
        return len(self.printed.partition(".")[2])

    @property
    def said_of(self) -> int:
        return self.round if self.claimed_round is None else self.claimed_round


WHY_EARLY = "reached only if w5 … w8 are updated before they carry the error back"
FIGURES = (
    Figure("net h1", "net_h1", "0.3775", 0),
    Figure("out h1", "out_h1", "0.593269992", 0),
    Figure("out h2", "out_h2", "0.596884378", 0),
    Figure("net o1", "net_o1", "1.105905967", 0),
    Figure("out o1", "out_o1", "0.75136507", 0),
    Figure("out o2", "out_o2", "0.772928465", 0),
    Figure("E o1", "E_o1", "0.274811083", 0),
    Figure("E o2", "E_o2", "0.023560026", 0),
    Figure("E before", "E_total", "0.298371109", 0),
    Figure("∂E/∂out o1", "dE_dout_o1", "0.74136507", 0),
    Figure("∂out/∂net o1", "dout_dnet_o1", "0.186815602", 0),
    Figure("∂E/∂net o1", "dE_dnet_o1", "0.138498562", 0),
    Figure("∂E/∂w5", "dE_dw5", "0.082167041", 0),
    Figure("w5 after", "w5_new", "0.35891648", 0),
    Figure("w6 after", "w6_new", "0.408666186", 0),
    Figure("w7 after", "w7_new", "0.511301270", 0),
    Figure("w8 after", "w8_new", "0.561370121", 0),
    Figure("∂E_o1/∂out h1", "dE_o1_dout_h1", "0.055399425", 0),
    Figure(
        "∂E_o2/∂out h1",
        "dE_o2_dout_h1",
        "-0.019049119",
        0,
        slipped="-0.019049118",
        why="the difference of two figures already rounded, 0.036350306 − 0.055399425",
    ),
    Figure("∂E/∂out h1", "dE_dout_h1", "0.036350306", 0),
    Figure("∂out/∂net h1", "dout_dnet_h1", "0.241300709", 0),
    Figure("∂E/∂w1", "dE_dw1", "0.000438568", 0),
    Figure("w1 after", "w1_new", "0.149780716", 0),
    Figure("w2 after", "w2_new", "0.19956143", 0),
    Figure("w3 after", "w3_new", "0.24975114", 0),
    Figure("w4 after", "w4_new", "0.29950229", 0),
    Figure("E after 1 round", "E_total", "0.291027924", 1, rule="early", why=WHY_EARLY),
    Figure(
        "E after 10,000",
        "E_total",
        "0.0000351085",
        9_999,
        claimed_round=10_000,
        why="the error after 9,999 rounds",
    ),
    Figure(
        "o1 after 10,000",
        "out_o1",
        "0.159121960",
        10_000,
        rule="early",
        slipped="0.015912196",
        why="the early update again, its decimal point slipped",
    ),
    Figure("o2 after 10,000", "out_o2", "0.984065734", 10_000, rule="early", why=WHY_EARLY),
)


def rounds(wanted: set[int], rule: str = "simultaneous", biases: str = "fixed") -> dict[int, Round]:
    """The wanted rounds of a run by the article's own formulas."""
    numbered = islice(enumerate(scalars(rule, biases)), max(wanted) + 1)
    return {n: quantities for n, quantities in numbered if n in wanted}


def reproduce(figure: Figure) -> float:
    """The figure's value in the run that explains it."""
    return rounds({figure.round}, figure.rule, figure.biases)[figure.round][figure.quantity]


def figures_table(rule: str, biases: str, autograd: dict[int, Round] | None = None) -> str:
    """Every figure that the article prints beside this run's, and where they differ the reason.

    Args:
        rule, biases: the run to show.
        autograd: the same run's quantities in PyTorch, by round, for a column of their own.
    """
    mine = rounds({figure.said_of for figure in FIGURES}, rule, biases)
    lines = [
        f"{'':18}{'the article':>14}{'by hand':>18}" + (f"{'autograd':>18}" if autograd else "")
    ]
    reasons: dict[str, str] = {}
    for figure in FIGURES:
        value = mine[figure.said_of][figure.quantity]
        decimals = figure.decimals
        same = f"{value:.{decimals}f}" == figure.printed
        line = f"{figure.name:18}{figure.printed:>14}{value:18.{max(decimals, 9)}f}"
        if autograd:
            theirs = autograd.get(figure.said_of, {}).get(figure.quantity)
            line += f"{'not run':>18}" if theirs is None else f"{theirs:18.{max(decimals, 9)}f}"
        if not same:
            by_default = (rule, biases) == ("simultaneous", "fixed")
            why = (
                figure.why
                if by_default
                else "of the other rule or biases, or a slip that is told there"
            )
            reasons.setdefault(why, f"({len(reasons) + 1})")
            line += f"  {reasons[why]}"
        lines.append(line)
    digits = {figure.why: f": {figure.digits}" for figure in reversed(FIGURES) if figure.why}
    lines += ["", "What the article prints there is"]  # no one run gives all of it
    lines += [f"{mark} {why}{digits.get(why, '')}" for why, mark in reasons.items()]
    return "\n".join(lines)
