"""The page of a run, for those without TensorBoard: its settings, curves, parity and pictures."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from ..safe_files import write_whole

FILE = "report.html"
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def write_report(
    path: Path,
    summary: str,
    settings: Mapping[str, Any],
    verdict: tuple[bool, str],
    metrics: Mapping[str, float],
    curves: Mapping[str, Figure],
    pictures: Mapping[str, Figure],
    parity: str,
) -> None:
    """Write the page into the run's directory, whole or not at all.

    Args:
        verdict: whether by hand and autograd agreed, and that in words.
        metrics: the final ones, by name.
        curves, pictures: figures, by title.
        parity: the report of the last step.
    Raises:
        InputError: it cannot be written.
    """
    agrees, words = verdict
    text = TEMPLATES.get_template("report.html").render(
        name=path.name,
        summary=f"{summary[:1].upper()}{summary[1:].rstrip('.')}.",
        settings=settings,
        agrees=agrees,
        verdict=words,
        metrics={key.partition("/")[2]: f"{value:.6g}" for key, value in metrics.items()},
        curves=drawn(curves, "c"),
        pictures=drawn(pictures, "p"),
        parity=parity,
    )
    write_whole(path / FILE, lambda new: new.write_text(text, encoding="utf-8"), FILE)


def drawn(figures: Mapping[str, Figure], prefix: str) -> dict[str, Markup]:
    """Figures as SVG within a page: of its own names none is that of another's."""
    found = {}
    for number, (title, figure) in enumerate(figures.items()):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        svg = re.sub(r"^.*?(?=<svg)", "", file.getvalue(), flags=re.DOTALL)
        own = f"{prefix}{number}-"
        svg = re.sub(r'\bid="', f'id="{own}', svg)
        svg = re.sub(r'(href="#|url\(#)', rf"\1{own}", svg)
        found[title] = Markup(svg)
    return found
