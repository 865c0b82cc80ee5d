"""What came of a race: a table, and the same figures as JSON."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from typing import Any

from ..parity.distance import table
from .contenders import BY_HAND, EAGER
from .race import Conditions, Lane
from .workloads import WORKLOADS

HEADER = (
    *("", "10th perc.", "median", "spread", "of eager", "median", "of best"),
    *("steps/s", "memory"),
)


def figures(lanes: Sequence[Lane]) -> dict[str, dict[str, Any]]:
    """Of every contender that was timed: seconds of a step, shares of PyTorch's, bytes.

    "spread" is how far the slowest tenth of the rounds is from the fastest, as a share of the
    median; "of best" the 10th percentile as a share of PyTorch's fastest variant's.
    """
    timed = {lane.name: lane for lane in lanes if lane.seconds}
    ours = [lane for name, lane in timed.items() if name.startswith("PyTorch")]
    best = min((lane.share(10) for lane in ours), default=None)
    eager = timed.get(EAGER)
    return {
        name: {
            "10th percentile": lane.share(10),
            "median": lane.share(50),
            "spread": (lane.share(90) - lane.share(10)) / lane.share(50),
            "of eager": eager and lane.share(10) / eager.share(10),
            "median of eager": eager and lane.share(50) / eager.share(50),
            "of best": best and lane.share(10) / best,
            "steps per second": 1 / lane.share(50),
            "memory": lane.memory,
        }
        for name, lane in timed.items()
    }


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def duration(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.2f} ms"


def row(name: str, of: dict[str, Any]) -> tuple[str, ...]:
    """One contender's line of the table."""
    memory = of["memory"]
    return (
        name,
        duration(of["10th percentile"]),
        duration(of["median"]),
        f"{of['spread']:.0%}",
        share(of["of eager"]),
        share(of["median of eager"]),
        share(of["of best"]),
        f"{of['steps per second']:,.0f}",
        "-" if memory is None else f"{memory / 2**20:.1f} MiB",
    )


def text(workload: str, lanes: Sequence[Lane]) -> str:
    """A workload's table, what did not run or disagrees, and how far the goal is."""
    what, of = WORKLOADS[workload], figures(lanes)
    lines = [f"{workload}: {what.summary}"]
    if of:
        lines.append(table([HEADER, *(row(name, one) for name, one in of.items())]))
    for lane in lanes:
        if lane.failure:
            lines.append(f"{lane.name}: left out, {lane.failure}")
        elif not lane.report.agrees:
            lines.append(f"{lane.name}: not timed, its step is another one\n{lane.report}")
    if BY_HAND in of and EAGER in of:
        reached = of[BY_HAND]["of eager"]
        verdict = "reached" if reached <= what.goal else "missed"
        lines.append(f"goal: {what.goal:.2f} of PyTorch eager; {reached:.3f}, {verdict}")
    return "\n".join(lines)


def circumstances(conditions: Conditions) -> dict[str, Any]:
    """When, where and how it was measured."""
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": conditions.threads,
        "rounds": conditions.rounds,
        "versions": {
            "Python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "torch")},
        },
    }


def processor() -> str:
    """Its name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def heading(conditions: Conditions) -> str:
    """The circumstances in a line."""
    said = circumstances(conditions)
    versions = ", ".join(f"{name} {number}" for name, number in said["versions"].items())
    threads = f"{said['threads']} thread" + ("s" if said["threads"] > 1 else "")
    return (
        f"{said['date']}, {said['cores']} cores, {said['processor']}; {versions}; {threads}, "
        f"{said['rounds']} rounds"
    )
