"""Formulas, numbers and matrices as native MathML; names as in `manual.article.names`."""

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from .quantities import anchor_of, kind_of

WHOLE = 6  # rows or columns of a matrix that are all shown; of more, the first and the last:
HEAD, TAIL = 3, 2
LONG = 9  # parts of a sum that stays in a line


def math(inside: str) -> str:
    return f'<math displaystyle="true">{inside}</math>'


def row(parts: Sequence[str]) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def operator(text: str, form: str = "") -> str:
    """An operator; `form` "prefix" for a sign."""
    attribute = f' form="{form}"' if form else ""
    return f"<mo{attribute}>{escape(text)}</mo>"


def linked(inside: str, name: str) -> str:
    """A part of a formula that leads to the quantity of that name, and is marked with it."""
    anchor = anchor_of(name)
    link = f'<a href="#{anchor}" data-q="{anchor}" class="{kind_of(name)}">{math(inside)}</a>'
    return f"<mi>{link}</mi>"  # in which HTML may stand; beside an mtext an operator has no space


def number(text: str) -> str:
    """A number with its sign as a prefix."""
    if text.startswith(("-", "−")):
        return row([operator("−", "prefix"), number(text[1:])])
    mantissa, e, exponent = text.partition("e")
    if not e:
        return f"<mn>{escape(text)}</mn>"
    sign = "−" if exponent.startswith(("-", "−")) else ""
    ten = f"<msup><mn>10</mn>{number(sign + exponent.lstrip('+-−0'))}</msup>"
    return row([f"<mn>{escape(mantissa)}</mn>", operator("·"), ten])


def bold(letters: str) -> str:
    """A matrix's letters, as bold Unicode letters: styles do not reach all fonts."""

    def one(letter: str) -> str:
        if letter.isascii() and letter.isalpha():
            first = 0x1D400 if letter.isupper() else 0x1D41A
            return chr(first + ord(letter) - ord("A" if letter.isupper() else "a"))
        return letter

    return "".join(map(one, letters))


def name(text: str, matrix: bool = False) -> str:
    """A quantity's name; a matrix's in bold."""
    if text.startswith("(") and text.endswith(")ᵀ"):
        inner = row([operator("("), name(text[1:-2], matrix), operator(")")])
        return f"<msup>{inner}<mi>T</mi></msup>"
    if text.startswith("∂"):
        above, _, below = text[1:].partition("/∂")
        d = operator("∂", "prefix")
        parts = row([d, name(above, matrix and above != "E")]), row([d, name(below, matrix)])
        return f"<mfrac>{''.join(parts)}</mfrac>"
    if text.startswith("f′("):
        return row(["<mi>f′</mi>", operator("("), name(text[3:-1], matrix), operator(")")])
    if match := re.fullmatch(r"\((\d+) more\)", text):  # of a sum
        return f'<mtext class="rest">({match.group(1)} more)</mtext>'
    raised: list[str] = []
    while text.endswith(("⁺", "ᵀ")):
        raised.insert(0, operator("+") if text.endswith("⁺") else "<mi>T</mi>")
        text = text[:-1]
    base, below = base_and_below(text)
    letters = f"<mi>{bold(base) if matrix else escape(base)}</mi>"
    if re.fullmatch(r"[\d.]+(e[+−]\d+)?", text):
        return number(text)
    above = raised[0] if len(raised) == 1 else row(raised)
    if below and raised:
        return f"<msubsup>{letters}{below}{above}</msubsup>"
    if below or raised:
        tag, script = ("msub", below) if below else ("msup", above)
        return f"<{tag}>{letters}{script}</{tag}>"
    return letters


def base_and_below(text: str) -> tuple[str, str]:
    """A name's letters, and its subscript: `w_h1i2`, `net_h1`, `w5`, `x[0,1]`, `W_ih[0,1]`."""
    if match := re.fullmatch(r"([^_\[]+?)(?:_(\w+))?\[([\d,]+)\]", text):
        base, kind, index = match.groups()
        letters = [f"<mi>{kind}</mi>", operator(",")] if kind else []
        return base, row([*letters, f"<mtext>{index}</mtext>"])
    base, _, below = text.partition("_")
    if not below and (match := re.fullmatch(r"([^\W\d_]\u0302?)(\d+)", text)):
        base, below = match.groups()
    if pair := re.fullmatch(r"([a-z]\d+)([a-z]\d+)", below):  # to one neuron, from another
        return base, row([f"<mi>{pair[1]}</mi>", '<mspace width=".25em"/>', f"<mi>{pair[2]}</mi>"])
    if not below:
        return text, ""
    tag = (
        "mn" if below.isdecimal() else "mtext" if len(below) == 1 else "mi"
    )  # one letter is upright
    return base, f"<{tag}>{escape(below)}</{tag}>"


def words(text: str) -> str:
    """What stands between two quantities of a formula."""
    parts = []
    for token in re.findall(r"[A-Za-zα-ωΣ′⁺][A-Za-zα-ωΣ′⁺ ]*|\d+|½|²|\^|\S", text):
        token = token.strip()
        if token == "²":
            parts.append("<msup><mrow></mrow><mn>2</mn></msup>")
        elif token.isdecimal() or token == "½":
            parts.append(f"<mn>{token}</mn>")
        elif token == "Σ":
            parts.append(operator("∑"))
        elif token == "log":
            parts.append('<mi>log</mi><mspace width=".17em"/>')
        elif re.fullmatch(r"[A-Za-zσα-ω′]+", token):
            parts.append(f"<mi>{escape(token)}</mi>")
        elif re.match(r"[A-Za-zΣ]", token):
            parts.append(f"<mtext>&#160;{escape(token)}&#160;</mtext>")
        elif token == "−" and text.startswith("−") and not parts:
            parts.append(operator("−", "prefix") if text != "−" else operator("−"))
        else:
            parts.append(operator(token))
    return "".join(parts)


def matrix(value: Any, digits: Callable[[float], str]) -> str:
    """A number, or a matrix between brackets drawn by the style sheet, which stretch with any font.

    Below stands its shape. Of a large one the first and the last rows and columns are shown.
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return number(digits(float(array)) if array.dtype.kind == "f" else str(array))
    array = array.reshape(1, -1) if array.ndim == 1 else array
    rows, columns = (shown_of(size) for size in array.shape)
    lines = []
    for i in rows:
        cells = [operator("…" if i is not None and j is None else "⋮") for j in columns]
        if i is not None:
            cells = [
                operator("…") if j is None else number(digits(float(array[i, j]))) for j in columns
            ]
        lines.append("<mtr>" + "".join(f"<mtd>{cell}</mtd>" for cell in cells) + "</mtr>")
    shape = "×".join(map(str, array.shape))
    left = [
        f"{size - HEAD - TAIL} {kind} left out"
        for size, kind in zip(array.shape, ("rows", "columns"), strict=True)
        if size > WHOLE
    ]
    table = f'<mtable class="matrix" data-shape="{shape}">{"".join(lines)}</mtable>'
    return f'<munder>{table}<mtext class="shape">{", ".join([shape, *left])}</mtext></munder>'


def shown_of(size: int) -> list[int | None]:
    """The rows or columns that are shown, None where some are left out."""
    if size <= WHOLE:
        return list(range(size))
    return [*range(HEAD), None, *range(size - TAIL, size)]


def five_digits(value: float) -> str:
    return f"{value + 0.0:.5g}".replace("-", "−")  # + 0.0: no −0


def formula(parts: Sequence[Any], shown: Callable[[Any, int], str], breaks: bool) -> list[str]:
    """A formula in pieces, each a `math`: it may be broken before what a sum goes on with.

    Args:
        parts: terms, and the signs between them.
        shown: a term, and its place, as MathML.
        breaks: whether a product may be broken as well, as one of matrices is.
    """
    groups: list[list[str]] = [[]]
    base, depth = "", 0
    for place, part in enumerate(parts):
        sign = part if isinstance(part, str) else ""
        inside = words(sign) if sign else shown(part, place)
        if (sign == "+" and (len(parts) > LONG or (breaks and not depth))) or (
            breaks and not depth and place and sign in ("·", "−", "⊙")
        ):
            groups.append([])
        if sign in ("+", "·", "−", "⊙") and place:
            inside = operator(sign, "infix")  # also where a line begins with it
        depth += sign.count("(") - sign.count(")")
        if base:
            groups[-1].append(f"<msup>{base}{inside}</msup>")
            base = ""
        elif sign == "^":
            base = groups[-1].pop()
        elif sign.endswith("^"):
            groups[-1].append(words(sign.removesuffix("e^")))
            base = "<mi>e</mi>"
        else:
            groups[-1].append(inside)
    return [math(row(group)) for group in groups]
