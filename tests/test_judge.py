"""Extended precision as the judge: who is closer, and is the judge itself right?"""

from typing import Any

import numpy as np
import pytest

from torch_ref.parity.judge import CAN_JUDGE, differences, truth
from torch_ref.parity.one_pass import flat

from .cases import CASES, Case
from .conftest import NO_JUDGE, judged, make_pair

pytestmark = [
    pytest.mark.skipif(not CAN_JUDGE, reason=NO_JUDGE),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss"),
]


def test_as_close_to_the_judge_as_pytorch(case: Case, dtype: Any) -> None:
    assert not [judgement for judgement in judged(case, dtype) if not judgement.stands]


def test_extended_precision_is_kept(case: Case) -> None:
    """The judge's results have its own dtype, so none of its arrays has been cast on the way."""
    pair = make_pair(case, np.float64)
    for key, value in truth(pair.mine, pair.inputs, pair.upstream).items():
        assert np.asarray(value).dtype == np.longdouble, key


@pytest.mark.parametrize("case", [c for c in CASES if c.smooth], ids=lambda case: case.name)
def test_the_judge_agrees_with_central_differences(case: Case) -> None:
    pair = make_pair(case, np.float64)
    if sum(np.size(x) for x in flat(pair.inputs)) > 500:
        pytest.skip("a difference for each of many inputs")
    report = differences(pair.mine, pair.inputs, pair.upstream)
    assert report.rows
    assert report.agrees, report
