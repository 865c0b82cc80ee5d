"""The walkthrough as one self-contained HTML page: no script, no request, native MathML."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from markupsafe import Markup

from manual.article.description import Description
from manual.article.figures import FIGURES
from manual.article.formulas import AGAIN, Term, Values
from manual.article.names import Names

from ..safe_files import write_whole
from .code_lines import SCALARS, Listing, code_line, line_in_scalars
from .drawing import drawing
from .mathml import five_digits, math, matrix, number
from .over_rounds import Curve, OutputMap, over_rounds
from .quantities import anchor_of, given, kind_of
from .rows import ROUNDS, Row, both_after, nine_digits, rows_of, small, the_slip
from .terminal import check_showable, left_out, title
from .views import TEMPLATES, Result, Sentence, View, formula_of, math_of, numbers_of


@dataclass(frozen=True)
class Fold:
    """Quantities like some above, folded away."""

    views: list[View]


@dataclass(frozen=True)
class Group:
    """The quantities of a neuron in one part of the pass; `folded` if they are like those above."""

    heading: str
    folded: bool
    parts: list[View | Fold]

    @property
    def names(self) -> list[Markup]:
        return [view.name for view in views_in([self])]


@dataclass(frozen=True)
class Likes:
    """Several neurons whose quantities are all folded."""

    groups: list[Group]


@dataclass(frozen=True)
class Section:
    """One part of the pass."""

    title: str
    anchor: str
    groups: list[Group]

    @property
    def together(self) -> Iterator[Group | Likes]:
        """The groups; many folded ones on end in one fold."""
        for folded, run in groupby(self.groups, lambda group: group.folded and bool(group.heading)):
            groups = list(run)
            if folded and len(groups) > 2:
                yield Likes(groups)
            else:
                yield from groups


def page(d: Description, steps: int, view: str | None = None, full: bool = False) -> str:
    """The HTML page on the step after so many others.

    Args:
        view: only that of "neurons", or of "matrices".
        full: with all that is folded away unfolded.
    Raises:
        DescriptionError: a layer is too wide to be written out.
    """
    check_showable(d, scalar=view == "neurons")
    mine, theirs, now = both_after(d, steps)
    views = {"neurons": [True], "matrices": [False]}.get(view or "", [True, False])
    views = views if len(d.x) == 1 else [False]
    rows = [rows_of(now, mine, theirs, scalar, first=steps == 0) for scalar in views]
    taken = {"top", "drawing", "neurons", "matrices", "rounds", "source", "legend", "given"}
    start = [(term, given_value(term, mine)) for term in given(now)]
    names = [*(term.name for term, _ in start)]
    names += [row.equation.result.name for half in rows for row in half]
    sentence = Sentence(names)
    halves = [list(sections_of(half, taken, sentence, now.article)) for half in rows]
    shown = [view for half in halves for section in half for view in views_in(section.groups)]
    over = over_rounds(d, steps)
    return TEMPLATES.get_template("network.html").render(
        heading=title(now, steps),
        d=now,
        names=Names(now),
        steps=steps,
        full=full,
        fall=fall(now, mine) if views[0] else None,
        worst=small(max(row.difference for half in rows for row in half)),
        sigmoid=written_out(now, mine, "Sigmoid"),
        tanh=written_out(now, mine, "Tanh"),
        drawing=Markup(drawing(now, mine)),
        left_out=left_out(now),
        given=start,
        neurons=halves[0] if views[0] else [],
        matrices=[] if views[-1] else halves[-1],
        marks=[*((view.anchor, view.quantity, view.said) for view in shown), *marks_of(start)],
        over=over,
        curve=Curve(over),
        map=OutputMap(over.shown) if d.sizes[0] == 2 else None,
        drawings=[Markup(drawing(one.network, one.values)) for one in over.shown],
        printed=[f for f in FIGURES if f.said_of == ROUNDS[-1]] if now.article else [],
        listings=listings(shown),
        quantity_of_line={
            line.index: view.quantity
            for view in shown
            for line in view.lines
            if line.listing is SCALARS
        },
        math_of=math_of,
        anchor_of=anchor_of,
        kind_of=kind_of,
        digits=nine_digits,
    )


def sections_of(
    rows: Sequence[Row], taken: set[str], sentence: Sentence, article: bool
) -> Iterator[Section]:
    """The rows by the parts of the pass and by neurons; what is like something above is folded.

    Args:
        taken: the addresses within the page that are in use; the new ones are added.
    """
    for heading, part in groupby(rows, lambda row: row.equation.section):
        section = Section(heading, unique(heading.lower().replace(" ", "-"), taken), [])
        seen_groups: set[tuple[str, ...]] = set()
        for about, group in groupby(part, lambda row: row.equation.about):
            members = [(row.equation.kind, view_of(row, taken, sentence, article)) for row in group]
            kinds = tuple(dict.fromkeys(kind for kind, _ in members))
            known = [kind for kind in kinds if heading == AGAIN and kind != "total"]
            folded = kinds in seen_groups or len(known) == len(kinds)
            section.groups.append(Group(about, folded, folding(members, [] if folded else known)))
            seen_groups.add(kinds)
        yield section


def folding(members: Sequence[tuple[str, View]], known: Iterable[str]) -> list[View | Fold]:
    """Quantities with their kinds: those of a kind that is known or was there are folded."""
    parts: list[View | Fold] = []
    seen = set(known)
    for kind, view in members:
        if kind not in seen:
            parts.append(view)
        elif parts and isinstance(parts[-1], Fold):
            parts[-1].views.append(view)
        else:
            parts.append(Fold([view]))
        seen.add(kind)
    return parts


def unique(anchor: str, taken: set[str]) -> str:
    """The address, with a mark of its own if something else has it; it is taken then."""
    anchor = f"{anchor}-in-matrices" if anchor in taken else anchor
    taken.add(anchor)
    return anchor


def views_in(groups: Iterable[Group]) -> Iterator[View]:
    for group in groups:
        for part in group.parts:
            yield from part.views if isinstance(part, Fold) else [part]


def view_of(row: Row, taken: set[str], sentence: Sentence, article: bool) -> View:
    """What the page shows of a row."""
    result, slip = row.equation.result, the_slip(row)
    scalar = np.ndim(row.mine) == 0
    results = [
        Result("autograd: difference" if not scalar else "difference", small(row.difference))
    ]
    if scalar:
        mine, theirs = nine_digits(float(row.mine)), nine_digits(float(row.theirs))
        results = [Result("", mine, "mine"), Result("autograd", theirs, "theirs"), *results]
    if row.tried is not None:
        results.append(Result("by trying", f"{row.tried + 0.0:#.6g}".replace("-", "−")))
    if row.printed:
        results.append(Result("the article", row.printed.printed.replace("-", "−")))
    lines = [line_in_scalars(result.name) if article and not result.is_matrix else None]
    lines.append(code_line(row.equation.source))
    return View(
        unique(anchor_of(result.name), taken),
        anchor_of(result.name),
        kind_of(result.name),
        result.name + (f" = {nine_digits(float(row.mine))}" if scalar else ""),
        math_of(result.name, result.is_matrix and not scalar),
        formula_of(row),
        numbers_of(row),
        None if scalar else Markup(math(matrix(row.mine, five_digits))),
        results,
        sentence(row.equation.why),
        [line for line in lines if line is not None],
        sentence(slip) if slip else None,
    )


def marks_of(given: Sequence[tuple[Term, Markup]]) -> Iterator[tuple[str, str, str]]:
    """Of what is given: its address, what marks it, and what is said when it is chosen."""
    for term, _ in given:
        yield anchor_of(term.name), anchor_of(term.name), term.name


def given_value(term: Term, values: Values) -> Markup:
    value = term.value(values)
    inside = matrix(value, five_digits) if np.ndim(value) else number(nine_digits(float(value)))
    return Markup(math(inside))


def fall(d: Description, values: Values) -> dict[str, str]:
    """How far the error fell, and how far by the slopes at the start alone: η Σ (∂E/∂w)²."""
    kinds = "Wb" if d.trains_biases else "W"
    moved = [f"{kind}{layer}" for kind in kinds for layer in range(1, d.layers + 1)]
    before, after = float(values["L"]), float(values["L_new"])
    expected = d.lr * sum(float((values[f"d{key}"] ** 2).sum()) for key in moved)
    numbers = {"before": before, "after": after, "fell": before - after, "expected": expected}
    return {name: nine_digits(value) for name, value in numbers.items()}


def written_out(d: Description, values: Values, name: str) -> dict[str, str] | None:
    """An activation for the first neuron that has it."""
    layer = next((i for i, a in enumerate(d.activations, 1) if a == name), None)
    if layer is None:
        return None
    net, out = float(values[f"z{layer}"][0, 0]), float(values[f"a{layer}"][0, 0])
    numbers = {"net": net, "power": float(np.exp(-net)), "other": float(np.exp(net)), "out": out}
    return {key: nine_digits(value) for key, value in numbers.items()}


def listings(views: Sequence[View]) -> list[tuple[str, list[Listing]]]:
    """The source of every function that a line of code is shown of, by the derivation it has."""
    found = dict.fromkeys(line.listing for view in views for line in view.lines)
    stories = dict.fromkeys(one.story for one in found)
    return [(story, [one for one in found if one.story == story]) for story in stories]


def write_page(
    path: Path, d: Description, steps: int, view: str | None = None, full: bool = False
) -> None:
    """Write the page, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    text = page(d, steps, view, full)
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), f"--html {path}")
