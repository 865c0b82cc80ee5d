"""What a check found, as lines to read and as JSON."""

import json
import math
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

from ..diagnosis.verdict import Diagnosis
from ..parity.distance import Report, table


@dataclass(frozen=True)
class Note:
    """One thing that is easily forgotten, and whether it was."""

    name: str
    passed: bool
    detail: str = ""


@dataclass
class Checked:
    """The report of one check.

    Attributes:
        report: a row for each quantity, in the order of the backward pass.
        diagnosis: of what disagrees.
        notes: what is easily forgotten.
        warnings: what this check could not prove.
        own: the check against their own forward pass, where that is another than the reference's.
    """

    report: Report
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    notes: list[Note] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    own: "Checked | None" = None

    @property
    def agrees(self) -> bool:
        return self.report.agrees and all(note.passed for note in self.notes)

    def __bool__(self) -> bool:
        """As in `assert check(…)`."""
        return self.agrees

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON; NaN and infinities become text."""
        rows = [
            {
                "kind": row.kind,
                "name": row.name,
                "shape": list(row.shape),
                "dtype": str(row.dtype),
                "agrees": row.agrees,
                "problem": row.problem,
                "excuse": row.excuse,
                "distance_eps": plain(row.distance),
                "allowed_eps": row.tolerance,
                "worst_at": list(row.worst),
                "yours": plain(row.mine),
                "reference": plain(row.reference),
            }
            for row in self.report.rows
        ]
        return {
            "agrees": self.agrees,
            "rows": rows,
            "diagnosis": self.diagnosis.as_dict(),
            "notes": [asdict(note) for note in self.notes],
            "warnings": self.warnings,
            **({} if self.own is None else {"own_forward": self.own.as_dict()}),
        }

    def json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = [lines_of(self.report)]
        lines += [f"warning: {text}" for text in self.warnings]
        passed = [note.name for note in self.notes if note.passed]
        if passed:
            text = f"also right: {', '.join(passed)}"
            lines.append(textwrap.fill(text, 100, subsequent_indent="            "))
        lines += [f"WRONG: {n.name}: {n.detail}" for n in self.notes if not n.passed]
        if not self.diagnosis.agrees:
            lines.append(str(self.diagnosis))
        if self.own is not None:
            lines.append("against your own forward pass, as the reference's is another:")
            lines += [f"  {line}" for line in str(self.own).split("\n")[:-1]]
            fits = "fits" if self.own.agrees else "does NOT fit"
            lines.append(f"your backward pass {fits} your forward pass")
        lines.append("result: agrees" if self.agrees else "result: DISAGREES")
        return "\n".join(lines)


def plain(number: float) -> float | str:
    """A number for JSON, which has no NaN and no infinities: those become text."""
    return number if math.isfinite(number) else str(number)


def lines_of(report: Report) -> str:
    """A report as a table, a line for each quantity."""
    rows: list[tuple[str, ...]] = [
        ("quantity", "", "distance in eps", "worst at", "yours", "reference")
    ]
    for row in report.rows:
        at = ",".join(map(str, row.worst)) or "-"
        name = f"{row.kind} {row.name}" if row.kind != "gradient" else f"gradient of {row.name}"
        if row.problem:
            rows.append((name, row.problem, "-", "-", "-", "-"))
        else:
            numbers = (f"{row.distance:.2g}", at, f"{row.mine:.9g}", f"{row.reference:.9g}")
            rows.append((name, row.verdict, *numbers))
    return table(rows, left=(0, 1))


def output_words(report: Report) -> str:
    """What is said of a wrong output: the gradients cannot be judged before it is right."""
    row = next(row for row in report.rows if row.kind == "output" and not row.agrees)
    hint = " (float32 code? see --dtype)" if row.problem.startswith("float32") else ""
    detail = f"{row.mine:.9g} at {list(row.worst)}, expected {row.reference:.9g}"
    detail = f"{row.problem}{hint}" if row.problem else detail
    return (
        f"output {row.name} of the forward pass: {detail}; its gradients are judged once it agrees"
    )
