"""What a check found, as lines to read and as JSON."""

import json
import math
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..diagnosis.missed import Missed
from ..diagnosis.verdict import Diagnosis
from ..parity.distance import Report, table

SHOWN = 10  # lines of a list


@dataclass(frozen=True)
class Note:
    """One thing that is easily forgotten, and whether it was."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Audit:
    """What a test would see.

    Attributes:
        planted: how many mistakes there are to see.
        missed: those that it does not.
    """

    planted: int
    missed: Sequence[Missed]

    def as_dict(self) -> dict[str, Any]:
        return {"planted": self.planted, "missed": [asdict(one) for one in self.missed]}

    def __str__(self) -> str:
        seen = self.planted - len(self.missed)
        lines = [f"audit: {seen:,} of {self.planted:,} mistakes, planted one by one, would be seen"]
        groups: dict[tuple[str, str], list[Missed]] = defaultdict(list)
        for one in self.missed:
            groups[one.kind, one.shown_by].append(one)
        for (kind, shown_by), alike in [*groups.items()][:SHOWN]:
            more = f", and {len(alike) - 1} more of the kind" if len(alike) > 1 else ""
            text = f"  not: {kind}: {alike[0].what}{more}; {shown_by} would show it"
            lines.append(textwrap.fill(text, 100, subsequent_indent="         "))
        if len(groups) > SHOWN:
            lines.append(f"  not: {len(groups) - SHOWN} further kinds of mistake (see --json)")
        return "\n".join(lines)


@dataclass(frozen=True)
class Swept:
    """One variant of the inputs.

    Attributes:
        words: what it is.
        shape: of the first input.
        contiguous: whether its numbers lie one behind the other, as in a fresh array.
        wrong: what disagrees; `raises` what someone's code raises; else both are empty.
    """

    words: str
    shape: tuple[int, ...]
    contiguous: bool
    wrong: str = ""
    raises: str = ""


@dataclass(frozen=True)
class Sweep:
    """A check on other ranks, sizes of one, an empty batch and strided arrays.

    What raises an error there is said; it is no wrong answer.

    Attributes:
        variants: those that the reference takes.
        where: what the wrong ones have in common, and no other has; "" if there is nothing.
        raises_where: the same, of those where someone's code raises.
    """

    variants: Sequence[Swept]
    where: str
    raises_where: str

    @property
    def agrees(self) -> bool:
        return not any(variant.wrong for variant in self.variants)

    def as_dict(self) -> dict[str, Any]:
        return {"agrees": self.agrees, **asdict(self)}

    def __str__(self) -> str:
        wrong = [v for v in self.variants if v.wrong]
        raises = [v for v in self.variants if v.raises]
        right = len(self.variants) - len(wrong) - len(raises)
        lines = [f"sweep: right on {right} of {len(self.variants)} other shapes and layouts"]
        if wrong:
            lines.append(f"  wrong only where {self.where or 'it is one of these'}")
            lines += [f"    {v.words}, {v.shape}: {v.wrong}" for v in wrong[:SHOWN]]
        if raises:
            first = raises[0]
            where = f" where {self.raises_where}" if self.raises_where else f" on {len(raises)}"
            text = f"  raises an error{where}; {first.words}, {first.shape}: {first.raises}"
            lines.append(textwrap.fill(text, 100, subsequent_indent="         "))
        return "\n".join(lines)


@dataclass
class Checked:
    """The report of one check.

    Attributes:
        report: a row for each quantity, in the order of the backward pass.
        diagnosis: of what disagrees.
        notes: what is easily forgotten.
        warnings: what this check could not prove.
        own: the check against their own forward pass, where that is another than the reference's.
        audit: what it would have missed, if that was asked.
        sweep: the same for other shapes, if that was asked.
    """

    report: Report
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    notes: list[Note] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    own: "Checked | None" = None
    audit: Audit | None = None
    sweep: Sweep | None = None

    @property
    def agrees(self) -> bool:
        swept = self.sweep is None or self.sweep.agrees
        return self.report.agrees and all(note.passed for note in self.notes) and swept

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
            **({} if self.audit is None else {"audit": self.audit.as_dict()}),
            **({} if self.sweep is None else {"sweep": self.sweep.as_dict()}),
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
        lines += [str(part) for part in (self.sweep, self.audit) if part is not None]
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


def likeliest(wrong: Sequence[Checked]) -> Checked:
    """Of several ways to understand code that is wrong in each: that with the least wrong in it,
    of equals the first whose mistake has a name."""

    def rank(checked: Checked) -> tuple[int, bool]:
        rows = [row for row in checked.report.rows if not row.agrees]
        return len(rows), not checked.diagnosis.verdicts

    return min(wrong, key=rank)
