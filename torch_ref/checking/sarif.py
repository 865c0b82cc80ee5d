"""A check as SARIF 2.1.0, which editors and CI show beside the line that it is about."""

import ast
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..safe_files import write_whole
from .layouts import CandidateError
from .report import Checked

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FORWARD = ("forward", "__call__")
BACKWARD = ("backward", "step", "update", "update_params", "get_lr", "get_update", "__call__")


def write_sarif(path: Path, checked: Checked, named: str) -> None:
    """Write what a check found.

    Args:
        named: the code, as `FILE.py:NAME`, `FILE.py:FORWARD,BACKWARD` or a dotted name.
    Raises:
        CandidateError: the file cannot be written.
    """
    text = json.dumps(as_sarif(checked, named), indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda at: at.write_text(text, encoding="utf-8"), f"--sarif {path}")


def as_sarif(checked: Checked, named: str) -> dict[str, Any]:
    """A result for each verdict, or for what is first wrong, and for each note."""
    diagnosis = checked.diagnosis
    wrong_output = any(row.kind == "output" and not row.agrees for row in checked.report.rows)
    place = place_of(named, FORWARD if wrong_output else BACKWARD)
    found = [
        (v.kind, f"{v.what}. Place: {v.place}. Fix: {v.fix}. Proof: {v.proof}.")
        for v in diagnosis.verdicts
    ]
    if not found and not diagnosis.agrees:
        found = [("disagrees", f"first wrong, {diagnosis.order}: {diagnosis.where}")]
    found += [("forgotten", f"{n.name}: {n.detail}") for n in checked.notes if not n.passed]
    results = [
        {"ruleId": rule, "level": "error", "message": {"text": text}, "locations": [place]}
        for rule, text in found
    ]
    rules = [{"id": rule} for rule in dict.fromkeys(rule for rule, _ in found)]
    driver = {"name": "backprop-parity", "rules": rules}
    runs = [{"tool": {"driver": driver}, "results": results}]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


def place_of(named: str, methods: Sequence[str]) -> dict[str, Any]:
    """Where the code stands: the file, and the line of the first of these methods, or of itself."""
    place, colon, names = named.rpartition(":")
    if not colon:
        place, _, names = named.rpartition(".")
        spec = importlib.util.find_spec(place)
        place = (spec.origin if spec else None) or ""
    path = Path(place).absolute()
    if not path.is_file():
        raise CandidateError(f"--sarif: {named} stands in no file that a line could be shown of")
    uri = path.relative_to(Path.cwd()).as_posix() if Path.cwd() in path.parents else path.as_uri()
    several = names.split(",")
    name = several[0 if methods == FORWARD else -1]
    line = line_of(ast.parse(path.read_text(encoding="utf-8")), name, methods)
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}


def line_of(tree: ast.Module, name: str, methods: Sequence[str]) -> int:
    """The line of a function, or of a class's method; 1 for what is imported or assigned."""
    defined = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    own = next((node for node in defined if node.name == name), None)
    if own is None:
        return 1
    inside = {n.name: n.lineno for n in own.body if isinstance(n, ast.FunctionDef)}
    of_methods = [inside[m] for m in methods if m in inside]
    return of_methods[0] if isinstance(own, ast.ClassDef) and of_methods else own.lineno
