"""`python -m tests`: each class, what it uses of what is allowed, how far it is from the judge."""

import warnings
from typing import Any

from torch_ref.parity.distance import compare, table
from torch_ref.parity.judge import CAN_JUDGE, FACTOR, NEGLIGIBLE

from .cases import CASES, Case
from .conftest import DTYPES, NO_JUDGE, judged, make_pair

COLUMNS = (
    "class",
    "cases",
    *(f"used {dtype}" for dtype in DTYPES),
    *(f"{side} {dtype}" for dtype in DTYPES for side in ("by hand", "torch") if CAN_JUDGE),
    "",
)


def share(case: Case, dtype: Any) -> float:
    """Of the allowed distance between by hand and autograd, what the worst quantity uses."""
    pair = make_pair(case, dtype)
    mine, theirs = pair.by_hand(), pair.by_autograd()
    return compare(mine.quantities, theirs.quantities, mine.allowed, pair.scale).worst.share


def row_of(name: str) -> tuple[tuple[str, ...], list[str]]:
    """One class's cells, for the columns above, and where by hand is too far from the judge."""
    cases = [case for case in CASES if case.class_name == name]
    used, distances, further, closer = [], [], [], 0
    for dtype in DTYPES:
        compared = [c for c in cases if not (c.pytorch_is_off and dtype == DTYPES[1])]
        used.append(f"{max((share(case, dtype) for case in compared), default=0):.1%}")
        mine = theirs = 0.0
        for case in cases if CAN_JUDGE else ():
            for judgement in judged(case, dtype):
                mine, theirs = max(mine, judgement.mine), max(theirs, judgement.theirs)
                closer += judgement.verdict == "closer than PyTorch"
                if not judgement.stands:
                    further.append(f"{case.name} {dtype}: {judgement.kind} {judgement.name}")
        distances += [f"{mine:.2g}", f"{theirs:.2g}"] if CAN_JUDGE else []
    note = f"by hand closer in {closer}" if closer else ""
    return (name, str(len(cases)), *used, *distances, note), further


def main() -> int:
    warnings.filterwarnings("ignore", "reduction: 'mean' divides the total loss")
    names = sorted({case.class_name for case in CASES})
    rows, lists = zip(*(row_of(name) for name in names), strict=True)
    further = [line for lines in lists for line in lines]
    print(
        "used: of the allowed distance between by hand and autograd, the worst case's share\n"
        "others: worst distance from the same code in extended precision, in eps of each dtype\n"
    )
    print(table([COLUMNS, *rows], left=(0, len(COLUMNS) - 1)))
    print(f"\n{len(names)} classes, {len(CASES)} cases, in both dtypes each")
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
