"""Formulas, numbers and matrices as native MathML; names as in `manual.article.walkthrough`."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

FROM_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
ROWS, COLUMNS = 6, 8  # of a matrix, at most


def math(inside: str) -> str:
    return f'<math displaystyle="true">{inside}</math>'


def row(parts: Sequence[str]) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def operator(text: str, form: str = "") -> str:
    """An operator; `form` "prefix" for a sign."""
    attribute = f' form="{form}"' if form else ""
    return f"<mo{attribute}>{escape(text)}</mo>"


def number(text: str) -> str:
    """A number with its sign as a prefix."""
    if text.startswith(("-", "−")):
        return row([operator("−", "prefix"), number(text[1:])])
    mantissa, e, exponent = text.partition("e")
    if not e:
        return f"<mn>{escape(text)}</mn>"
    power = exponent.replace("+", "").replace("−", "-").lstrip("0")
    sign = "-" if power.startswith("-") else ""
    power = sign + power.lstrip("-").lstrip("0")
    ten = f"<msup><mn>10</mn>{number(power)}</msup>"
    return row([f"<mn>{escape(mantissa)}</mn>", operator("·"), ten])


def bold(letter: str) -> str:
    """A matrix's letter, as a bold Unicode letter: styles do not reach all fonts."""
    if letter.isascii() and letter.isalpha():
        first = 0x1D400 if letter.isupper() else 0x1D41A
        return chr(first + ord(letter) - ord("A" if letter.isupper() else "a"))
    return letter


def name(text: str) -> str:
    """A quantity's name."""
    if text.startswith("(") and text.endswith(")ᵀ"):
        inner = row([operator("("), name(text[1:-2]), operator(")")])
        return f"<msup>{inner}<mi>T</mi></msup>"
    for mark, shown in (("⁺", operator("+")), ("ᵀ", "<mi>T</mi>")):
        if text.endswith(mark):
            return f"<msup>{name(text[:-1])}{shown}</msup>"
    if text.startswith("∂"):
        above, _, below = text[1:].partition("/∂")
        d = operator("∂", "prefix")
        return f"<mfrac>{row([d, name(above)])}{row([d, name(below)])}</mfrac>"
    if text.startswith("f′("):
        prime = f"<msup><mi>f</mi>{operator('′')}</msup>"
        return row([prime, operator("("), name(text[3:-1]), operator(")")])
    if match := re.fullmatch(r"([^_\[]+?)(?:_(\w+))?\[([\d,]+)\]", text):  # x[0,1], W_ih[0,1]
        base, kind, index = match.groups()
        letters = [f"<mi>{kind}</mi>", operator(",")] if kind else []
        return f"<msub><mi>{base}</mi>{row([*letters, f'<mtext>{index}</mtext>'])}</msub>"
    if match := re.fullmatch(r"([a-zA-Z])([₀-₉]+)", text):  # a layer's matrix
        layer = match.group(2).translate(FROM_SUBSCRIPTS)
        return f"<msub><mi>{bold(match.group(1))}</mi><mn>{layer}</mn></msub>"
    if match := re.fullmatch(r"([zawb])(\d+)_([\d,]+)", text):  # a neuron's number in its layer
        letter, layer, index = match.groups()
        above = row([operator("("), f"<mn>{layer}</mn>", operator(")")])
        return f"<msubsup><mi>{letter}</mi><mn>{index}</mn>{above}</msubsup>"
    if match := re.fullmatch(
        r"([^\W\d_]\u0302?|[a-zA-Z]+)_?([a-zA-Z]?\d+)", text
    ):  # w5, net_h1, x̂_2
        base, index = match.groups()
        below = f"<mn>{index}</mn>" if index.isdecimal() else f"<mi>{index}</mi>"
        return f"<msub><mi>{base}</mi>{below}</msub>"
    if text in ("x", "t", "p"):
        return f"<mi>{bold(text)}</mi>"
    if re.fullmatch(r"[\d.]+(e[+−]\d+)?", text):
        return number(text)
    return f"<mi>{escape(text)}</mi>"


def words(text: str) -> str:
    """What stands between two quantities of a formula."""
    parts = []
    for token in re.findall(r"[A-Za-zα-ωΣ′][A-Za-zα-ωΣ′ ]*|\d+|½|²|\^|\S", text):
        token = token.strip()
        if token == "²":
            parts.append("<msup><mrow></mrow><mn>2</mn></msup>")
        elif token.isdecimal() or token == "½":
            parts.append(f"<mn>{token}</mn>")
        elif token == "Σ":
            parts.append(operator("∑"))
        elif re.fullmatch(r"[A-Za-zσα-ω′]+", token):
            parts.append(f"<mi>{escape(token)}</mi>")
        elif re.match(r"[A-Za-zΣ]", token):
            parts.append(f"<mtext>&#160;{escape(token)}&#160;</mtext>")
        elif token in "()[]":
            parts.append(f'<mo stretchy="false">{token}</mo>')
        elif token == "−" and text.startswith("−") and not parts:
            parts.append(operator("−", "prefix") if text != "−" else operator("−"))
        else:
            parts.append(operator(token))
    return "".join(parts)


def matrix(value: Any, digits: str) -> str:
    """A number, or a matrix between brackets drawn by the style sheet, which stretch with any font.

    Of a large one the first rows and columns are shown, with dots where the rest would be.
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return (
            number(format(float(array), digits)) if array.dtype.kind == "f" else number(str(array))
        )
    array = array.reshape(1, -1) if array.ndim == 1 else array
    lines = []
    for line in array[:ROWS, :COLUMNS]:
        cells = [f"<mtd>{number(format(float(v), digits))}</mtd>" for v in line]
        if array.shape[1] > COLUMNS:
            cells.append(f"<mtd>{operator('…')}</mtd>")
        lines.append(f"<mtr>{''.join(cells)}</mtr>")
    if array.shape[0] > ROWS:
        lines.append(f"<mtr><mtd>{operator('⋮')}</mtd></mtr>")
    shape = "×".join(map(str, array.shape))
    return f'<mtable class="matrix" data-shape="{shape}">{"".join(lines)}</mtable>'
