"""`python -m tests`: each class, its cases, and how far both sides are from the judge."""

import sys
import warnings
from collections import defaultdict
from typing import Any

from torch_ref.judge import CAN_JUDGE, FACTOR, NEGLIGIBLE, judge, truth
from torch_ref.parity import by_autograd, by_hand, table

from .cases import CASES
from .conftest import DTYPES, make_pair


def main() -> int:
    if not CAN_JUDGE:
        print("longdouble is float64 on this platform: it cannot judge", file=sys.stderr)
        return 2
    warnings.filterwarnings("ignore", "reduction: 'mean' divides the total loss")
    counts: dict[str, int] = defaultdict(int)
    worst: dict[tuple[str, Any], list[float]] = defaultdict(lambda: [0.0, 0.0])
    closer: dict[str, int] = defaultdict(int)
    further = []
    for case in CASES:
        counts[case.class_name] += 1
        for dtype in DTYPES:
            pair = make_pair(case, dtype)
            right = truth(pair.mine, pair.inputs, pair.upstream)
            mine = by_hand(pair.mine, pair.inputs, pair.upstream)
            theirs = by_autograd(pair.twin, pair.inputs, pair.upstream)
            for found in judge(mine, theirs, right):
                both = worst[case.class_name, dtype]
                both[:] = max(both[0], found.mine), max(both[1], found.theirs)
                closer[case.class_name] += found.verdict == "closer than PyTorch"
                if not found.stands:
                    further.append(f"{case.name} {dtype}: {found.kind} {found.name}")
    rows = [("class", "cases", *(f"{s} {d}" for d in DTYPES for s in ("by hand", "torch")), "")]
    for name in sorted(counts):
        distances = [f"{value:.2g}" for dtype in DTYPES for value in worst[name, dtype]]
        note = f"by hand closer in {closer[name]}" if closer[name] else ""
        rows.append((name, str(counts[name]), *distances, note))
    print("Worst distance from the same code in extended precision, in eps of each dtype\n")
    print(table(rows, left=(0, 6)))
    print(f"\n{len(counts)} classes, {sum(counts.values())} cases, in both dtypes each")
    print(
        f"further than PyTorch by more than a factor of {FACTOR:g} "
        f"(counting less than {NEGLIGIBLE:g} eps as that): {len(further)}"
    )
    for line in further:
        print(f"  {line}")
    return int(bool(further))


if __name__ == "__main__":
    raise SystemExit(main())
