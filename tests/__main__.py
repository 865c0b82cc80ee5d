"""`python -m tests`: each class, what it uses of what is allowed, how far it is from the judge."""

import warnings
from collections import defaultdict
from typing import Any

from torch_ref.judge import CAN_JUDGE, FACTOR, NEGLIGIBLE
from torch_ref.parity import compare, table

from .cases import CASES, Case
from .conftest import DTYPES, NO_JUDGE, judged, make_pair


def share(case: Case, dtype: Any) -> float:
    """Of the allowed distance between by hand and autograd, what the worst quantity uses."""
    pair = make_pair(case, dtype)
    mine, theirs = pair.by_hand(), pair.by_autograd()
    return compare(mine.quantities, theirs.quantities, mine.allowed, pair.scale).worst.share


def main() -> int:
    warnings.filterwarnings("ignore", "reduction: 'mean' divides the total loss")
    counts: dict[str, int] = defaultdict(int)
    used: dict[tuple[str, Any], float] = defaultdict(float)
    worst: dict[tuple[str, Any], list[float]] = defaultdict(lambda: [0.0, 0.0])
    closer: dict[str, int] = defaultdict(int)
    further = []
    for case in CASES:
        name = case.class_name
        counts[name] += 1
        for dtype in DTYPES:
            if not (case.pytorch_is_off and dtype == DTYPES[1]):
                used[name, dtype] = max(used[name, dtype], share(case, dtype))
            for judgement in judged(case, dtype) if CAN_JUDGE else ():
                both = worst[name, dtype]
                both[:] = max(both[0], judgement.mine), max(both[1], judgement.theirs)
                closer[name] += judgement.verdict == "closer than PyTorch"
                if not judgement.stands:
                    further.append(f"{case.name} {dtype}: {judgement.kind} {judgement.name}")
    columns = [f"{side} {dtype}" for dtype in DTYPES for side in ("by hand", "torch")]
    shares = [f"used {dtype}" for dtype in DTYPES]
    rows = [("class", "cases", *shares, *(columns if CAN_JUDGE else ()), "")]
    for name in sorted(counts):
        cells = [f"{used[name, dtype]:.1%}" for dtype in DTYPES]
        if CAN_JUDGE:
            cells += [f"{value:.2g}" for dtype in DTYPES for value in worst[name, dtype]]
        note = f"by hand closer in {closer[name]}" if closer[name] else ""
        rows.append((name, str(counts[name]), *cells, note))
    print(
        "used: of the allowed distance between by hand and autograd, the worst case's share\n"
        "others: worst distance from the same code in extended precision, in eps of each dtype\n"
    )
    print(table(rows, left=(0, len(rows[0]) - 1)))
    print(f"\n{len(counts)} classes, {sum(counts.values())} cases, in both dtypes each")
    if not CAN_JUDGE:
        print(NO_JUDGE)
        return 0
    print(
        f"further than PyTorch by more than a factor of {FACTOR:g} "
        f"(counting less than {NEGLIGIBLE:g} eps as that): {len(further)}"
    )
    for line in further:
        print(f"  {line}")
    return int(bool(further))


if __name__ == "__main__":
    raise SystemExit(main())
