"""The walkthrough as one self-contained HTML page: no script, no request, native MathML."""

import inspect
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import manual
from manual.article.description import Description
from manual.article.figures import FIGURES, rounds

from ..safe_files import write_whole
from .drawing import drawing
from .mathml import math, matrix, name, operator, words
from .mathml import number as mn
from .mathml import row as mrow
from .rows import ROUNDS, Row, both_after, nine_digits, rows_of, small, the_slip
from .terminal import check_showable, in_brackets, left_out, title

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff;
  --card: #f6f8fa; --plus: #0b66c2; --minus: #c2410c; --mark: #fff3c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b1; --line: #363d46;
  --paper: #0f1319; --card: #171d25; --plus: #6cb6ff; --minus: #ff9a62; --mark: #4a3b00; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .2em 0 .3em; }
h2 { margin: 2.2em 0 .6em; border-bottom: 1px solid var(--line); padding-bottom: .2em; }
h3 { margin: 1.6em 0 .5em; color: var(--soft); font-size: 1.05rem; }
h2, h3 { break-after: avoid; }
a { color: var(--plus); } a:focus-visible { outline: 3px solid var(--plus); outline-offset: 2px; }
nav a { margin-right: 1.2em; } .soft, figcaption, .source { color: var(--soft); }
figure { margin: 1.5rem 0; } svg { width: 100%; max-height: 34rem; }
svg circle { fill: var(--card); stroke: var(--ink); stroke-width: 1.5; }
svg text { fill: var(--ink); text-anchor: middle; font-size: 14px; }
svg .value { font-size: 15px; font-weight: 600; }
svg .weight { font-size: 14px; paint-order: stroke; stroke: var(--paper); stroke-width: 5px; }
svg .plus { stroke: var(--plus); } svg .minus { stroke: var(--minus); stroke-dasharray: 9 6; }
.key { display: inline-block; width: 2.4em; border-top: 4px solid var(--plus);
  margin: 0 .4em .25em; }
.key.minus { border-top: 4px dashed var(--minus); }
.step { border: 1px solid var(--line); border-radius: .5rem; background: var(--card);
  padding: .7rem 1rem; margin: .6rem 0; break-inside: avoid; }
.step .formula { overflow-x: auto; overflow-y: hidden; padding: .15rem 0; }
.step .results { display: flex; flex-wrap: wrap; gap: .1rem 1.6rem; align-items: baseline;
  margin-top: .3rem; font-size: .95rem; }
.results b { font-variant-numeric: tabular-nums; font-weight: 600; }
.source { margin-left: auto; font-size: .88rem; }
.slip { background: var(--mark); border-radius: .4rem; padding: .5rem .8rem; margin: .5rem 0 0; }
math { font-size: 1.12em; } math .matrix { border: solid var(--ink); border-width: 0 1.5px;
  border-radius: .5em; padding: 0 .2em; margin: 0 .15em; } mtd { padding: .12em .4em; }
table.figures { border-collapse: collapse; font-variant-numeric: tabular-nums; }
table.figures :is(th, td) { border-bottom: 1px solid var(--line); padding: .3em .9em;
  text-align: right; } .wide { overflow-x: auto; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); padding: .8rem 1rem;
  border-radius: .5rem; font: .88rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
@media (max-width: 40rem) { body { padding: 1rem .8rem; } h1 { font-size: 1.35rem; }
  .source { margin-left: 0; } nav a { display: inline-block; padding: .3em 0; } }
@media print { :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --card: #fff;
  --plus: #0b66c2; --minus: #c2410c; --mark: #f4f4f4; } body { max-width: none; padding: 0;
  font-size: 10pt; } nav, .skip { display: none; } .formula, pre { overflow: visible; }
  pre { white-space: pre-wrap; } a { color: inherit; text-decoration: none; } }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; }
"""


def page(d: Description, steps: int) -> str:
    """The HTML page on the step after so many others.

    Raises:
        DescriptionError: a layer is too wide to be written out.
    """
    check_showable(d, scalar=False)
    mine, theirs, now = both_after(d, steps)
    first, alone = steps == 0, len(d.x) == 1
    scalar = rows_of(now, mine, theirs, True, first) if alone else []
    matrices = rows_of(now, mine, theirs, False, first)
    heading = title(now, steps)
    worst = max(row.difference for row in [*scalar, *matrices])
    parts = [
        '<p class="soft">Every quantity as formula, with its numbers, by hand and by autograd. The '
        f"largest difference between the two on this page is <b>{small(worst)}</b>.</p>"
        '<nav aria-label="Sections">'
        + ('<a href="#neurons">Neuron by neuron</a>' if alone else "")
        + '<a href="#matrices">In matrices</a>'
        + ('<a href="#rounds">Over the rounds</a>' if now.article else "")
        + '<a href="#source">Derivations and source</a></nav></header><main>',
        f"<figure>{drawing(now, mine)}<figcaption>Values of the first sample. A line is a weight; "
        'its width is the size of its gradient: <span class="key"></span>positive, '
        '<span class="key minus"></span>negative.</figcaption></figure><div id="steps"></div>',
        '<h2 id="neurons">Neuron by neuron</h2>' if alone else "",
        f'<p class="soft">{escape(left_out(now))}</p>' if alone and left_out(now) else "",
        *sections(scalar, "n"),
        '<h2 id="matrices">In matrices</h2>',
        *sections(matrices, "m"),
        over_rounds() if now.article else "",
        '<h2 id="source">Derivations and source</h2>',
        *sources([*scalar, *matrices]),
        "</main>",
    ]
    return document(heading, parts)


def document(heading: str, parts: Sequence[str]) -> str:
    """A whole page: its head, its heading, and what follows, which ends the header itself."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(heading)}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>"
        '<a class="skip" href="#steps">Skip to the steps</a>'
        f"<header><h1>{escape(heading)}</h1>"
    )
    return "\n".join(part for part in (head, *parts, "</body></html>\n") if part)


def sections(rows: Sequence[Row], prefix: str) -> list[str]:
    """The steps under a heading for each part of the pass."""
    parts, section = [], ""
    for index, row in enumerate(rows):
        if row.equation.section != section:
            section = row.equation.section
            parts.append(f"<h3>{escape(section)}</h3>")
        parts.append(step(row, f"{prefix}{index}"))
    return parts


def step(row: Row, identity: str) -> str:
    """One quantity as HTML: its formula, the numbers in it, its value on both sides."""
    scalar = np.ndim(row.mine) == 0
    lines = formula_and_numbers(row, [] if scalar else [operator("=") + matrix(row.mine, ".5g")])
    results = sides(row.mine, row.theirs, identity) if scalar else []
    results.append(f"<span>difference <b>{small(row.difference)}</b></span>")
    if row.printed:
        results.append(f"<span>the article <b>{row.printed.printed.replace('-', '−')}</b></span>")
    if row.equation.source:
        anchor = row.equation.source
        results.append(f'<a class="source" href="#{escape(anchor)}">{escape(anchor)}</a>')
    slip = the_slip(row)
    return card(identity, lines, results, f'<p class="slip">{escape(slip)}</p>' if slip else "")


def card(identity: str, lines: Sequence[str], results: Sequence[str], below: str = "") -> str:
    """A quantity's formulas, and under them what it is on the two sides."""
    return (
        f'<div class="step" id="{identity}">'
        + "".join(f'<div class="formula">{line}</div>' for line in lines)
        + f'<div class="results">{"".join(results)}</div>{below}</div>'
    )


def sides(mine: float, theirs: float, identity: str) -> list[str]:
    return [
        f'<span>{side} <b data-key="{identity}" data-side="{key}">{nine_digits(value)}</b></span>'
        for side, key, value in (("by hand", "mine", mine), ("autograd", "theirs", theirs))
    ]


def formula_and_numbers(row: Row, last: Sequence[str] = ()) -> list[str]:
    """A quantity's formula; the numbers in it, if there are any; and what stands last."""
    equals = operator("=")
    formula = [t if isinstance(t, str) else name(t.name) for t in row.equation.formula]
    lines = [pieces([name(row.equation.result.name) + equals, *formula], row.equation.formula)]
    if not all(isinstance(part, str) for part in row.numbers):
        numbers = [
            n if isinstance(n, str) else filled(n, in_brackets(row, i))
            for i, n in enumerate(row.numbers)
        ]
        lines.append(pieces([equals, *numbers, *last], row.equation.formula))
    elif last:
        lines.append(math(mrow(last)))
    return lines


def pieces(parts: Sequence[str], formula: Sequence[Any]) -> str:
    """The parts of a formula, as MathML or as words between; a long sum may break at a plus."""
    signs = {part for part in formula if isinstance(part, str)}
    groups: list[list[str]] = [[]]
    base = ""
    for part in parts:
        if part == "+" and len(formula) > 9:
            groups.append([])
        if base:
            groups[-1].append(f"<msup>{base}{part}</msup>")
            base = ""
        elif part == "^":
            base = groups[-1].pop()
        elif part.endswith("^") and part in signs:
            groups[-1].append(words(part.removesuffix("e^")))
            base = "<mi>e</mi>"
        elif part == "+":
            groups[-1].append(operator("+", "infix"))  # also where a line begins with it
        else:
            groups[-1].append(words(part) if part in signs else part)
    return " ".join(math(mrow(group)) for group in groups)


def filled(value: Any, brackets: bool) -> str:
    """A quantity's number in a formula; negative ones in brackets, after an operator."""
    if np.ndim(value) == 0 and np.asarray(value).dtype.kind == "f":
        element = mn(f"{float(value):.9g}")
        return mrow([operator("("), element, operator(")")]) if brackets and value < 0 else element
    return matrix(value, ".5g")


def over_rounds() -> str:
    """The article's error and outputs over the rounds, by both rules."""
    right, early = rounds(set(ROUNDS)), rounds(set(ROUNDS), "early")
    head = "<tr><th scope=col>rounds</th><th scope=col>E</th><th scope=col>out o1</th>"
    head += "<th scope=col>out o2</th><th scope=col>E, output weights updated first</th></tr>"
    body = "".join(
        f"<tr><th scope=row>{n:,}</th><td>{right[n]['E_total']:.10f}</td>"
        f"<td>{right[n]['out_o1']:.9f}</td><td>{right[n]['out_o2']:.9f}</td>"
        f"<td>{early[n]['E_total']:.10f}</td></tr>"
        for n in ROUNDS
    )
    printed = "".join(
        f"<li>For {escape(f.name)} rounds the article prints <b>{f.printed}</b>: {escape(f.why)}"
        + (f", which gives {f.slipped}" if f.slipped else "")
        + "</li>"
        for f in FIGURES
        if f.said_of == ROUNDS[-1]
    )
    return (
        '<h2 id="rounds">Over the rounds</h2><div class="wide"><table class="figures">'
        f"<caption class=soft>targets .01 and .99</caption>{head}{body}</table></div>"
        f"<ul>{printed}</ul>"
    )


def sources(rows: Sequence[Row]) -> list[str]:
    """The source of every function that a row names, under the name that the rows link to."""
    parts = []
    for text in dict.fromkeys(row.equation.source for row in rows if row.equation.source):
        owner, _, method = text.partition(".")
        cls = getattr(manual, owner)
        function = next(vars(c)[method] for c in cls.__mro__ if method in vars(c))
        lines, first = inspect.getsourcelines(function)
        file = f"{function.__module__.replace('.', '/')}.py:{first}"
        code = textwrap.dedent("".join(lines)).rstrip()
        story = inspect.cleandoc(cls.__doc__ or "")
        parts.append(
            f'<section id="{escape(text)}"><h3>{escape(text)} <span class="soft">{escape(file)}'
            f"</span></h3><pre>{escape(story)}</pre><pre>{escape(code)}</pre></section>"
        )
    return parts


def write_page(path: Path, d: Description, steps: int) -> None:
    """Write the page, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    text = page(d, steps)
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), f"--html {path}")
