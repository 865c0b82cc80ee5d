"""The allowed distance is neither too small nor too large: pinned from both sides."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import manual
from manual.passes import observe_calls
from torch_ref.parity.distance import compare, measure
from torch_ref.parity.judge import Judgement
from torch_ref.parity.one_pass import Quantities, one_pass
from torch_ref.parity.tolerance import EPS, Allowed, Moves, Shadows, Sums, allowed_at_most

from .cases import CASES, Case
from .cases.case import Chain, cast, typed
from .cases.draws import normal
from .conftest import OPTIMIZERS, Pair, Training, make_pair, named

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)

# ---- not too small: test_parity.py compares every case within it

# ---- not too large

SAMPLE = (
    "Linear-bias=True",
    "Linear-wide",
    "Bilinear-bias=True-axes",
    "Embedding-padding=None-2axes",
    "PReLU-3-3axes",
    "GELU",
    "Softmax-3axes-dim1",
    "MSELoss-reduction=mean",
    "CrossEntropyLoss-weight=array-reduction=sum",
    "CTCLoss-reduction=mean",
    "GaussianNLLLoss-full=True-reduction=none",
    "MLP-deep",
    "ArticleNetwork-trained",
)


def spoiled(quantities: Quantities, key: tuple[str, str], by: float) -> Quantities:
    """The largest number of one quantity is off by so many eps of itself."""
    values = np.array(quantities[key])
    at = np.unravel_index(np.abs(values).argmax(), values.shape)
    values[at] += values.dtype.type(by * EPS[values.dtype]) * values[at]
    return {**quantities, key: values}


def differing(pair: Pair) -> list[tuple[str, str]]:
    return [key for key, values in pair.by_hand().quantities.items() if np.any(values)]


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_ten_times_what_is_allowed_is_found(name: str, dtype: Any) -> None:
    """In every output and every gradient; half of it is not."""
    pair = make_pair(named(name), dtype)
    mine, theirs = pair.by_hand(), pair.by_autograd().quantities
    keys = differing(pair)
    assert {kind for kind, _ in keys} == {"output", "gradient"}
    for key in keys:
        allowed = mine.allowed(*key)
        for by, agrees in ((10 * allowed, False), (0.5 * allowed, True)):
            report = compare(spoiled(mine.quantities, key, by), theirs, mine.allowed, pair.scale)
            assert report.agrees == agrees, (key, by)
            assert [(row.kind, row.name) for row in report.rows if not row.agrees] == (
                [] if agrees else [key]
            )


# Known sizes, whatever tolerance.py says: a millionth in float64, a hundredth in float32.
@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize(("dtype", "relative"), [(F64, 1e-11), (F32, 1e-2)], ids=["f64", "f32"])
def test_an_error_of_a_known_size_is_found(name: str, dtype: Any, relative: float) -> None:
    pair = make_pair(named(name), dtype)
    mine, theirs = pair.by_hand(), pair.by_autograd().quantities
    for key in differing(pair):
        off = spoiled(mine.quantities, key, relative / EPS[dtype])
        report = compare(off, theirs, mine.allowed, pair.scale)
        assert not report.agrees, key


BEFORE_A_NORM = Case(
    "Sequential",
    Chain((typed(manual.Linear, 3, 4), typed(manual.BatchNorm1d, 4))),
    normal((7, 3)),
)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_what_rounding_leaves_of_a_zero_gradient_is_no_disagreement(dtype: Any) -> None:
    """A bias ahead of a batch norm, which takes it off again: both sides have other noise there."""
    for seed in range(5):
        pair = make_pair(BEFORE_A_NORM, dtype, seed)
        mine, theirs = pair.by_hand(), pair.by_autograd().quantities
        report = compare(mine.quantities, theirs, mine.allowed, pair.scale)
        assert report.agrees, report
        assert [row.name for row in report.rows if not row.proves] == ["0.bias"]
        for by in (1e-3, 1.0):  # of the upstream's size that is a wrong gradient
            off = {**mine.quantities, ("gradient", "0.bias"): np.full(4, by * pair.scale, dtype)}
            assert not compare(off, theirs, mine.allowed, pair.scale).agrees


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_whole_steps_of_what_rounding_leaves_of_a_zero_are_no_disagreement(dtype: Any) -> None:
    """Adam's step is as long as its rate, whichever way the noise of a bias points."""
    for seed in range(6):
        pair = make_pair(BEFORE_A_NORM, dtype, seed)
        report = pair.training(OPTIMIZERS["Adam"](pair.mine.parameters()))
        assert report.agrees, report


def test_a_gradient_of_zeros_is_wrong_where_the_true_one_is_not() -> None:
    mine, theirs = np.zeros(3), np.array([0.0, 1e-9, 0.0])
    wrong = measure("gradient", "weight", mine, theirs, 20, zero_scale=1.0)
    assert not wrong.agrees
    noise = measure("gradient", "weight", mine, theirs * 1e-7, 20, zero_scale=1.0)
    assert noise.agrees
    assert not noise.proves
    nothing = measure("gradient", "weight", mine, mine, 20, zero_scale=0.0)
    assert nothing.distance == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "relative"), [(F64, 1e-10), (F32, 1e-2)], ids=["f64", "f32"])
@pytest.mark.parametrize("kind", ["weight", "state"])
def test_a_wrong_update_is_found(
    optimizer: str, dtype: Any, relative: float, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest weight, or moment, of a step is off, in the shadows as well."""
    pair = make_pair(named("Linear-bias=True"), dtype)
    mine = OPTIMIZERS[optimizer](pair.mine.parameters())
    training = Training(pair, mine)
    training.run(3)
    assert training.step().agrees
    right = type(mine).step

    def wrong(self: Any) -> None:
        right(self)
        parameter = self.param_groups[0]["params"][0]
        moments = [value for value in self.state[parameter].values() if np.ndim(value)]
        values = parameter.data if kind == "weight" else moments[0]
        at = np.unravel_index(np.abs(values).argmax(), values.shape)
        values[at] *= 1 + relative

    monkeypatch.setattr(type(mine), "step", wrong)
    report = training.step()
    assert {row.kind for row in report.rows if not row.agrees} == {kind}


# Why a class uses no thousandth of what it is allowed: what it does is exact.
EXACT = {
    **dict.fromkeys(("Identity", "Flatten", "Unflatten"), "computes nothing"),
    **dict.fromkeys(("ReLU", "ReLU6", "Hardtanh", "Threshold"), "takes over what it does not cut"),
    "Hardshrink": "takes over what it does not cut",
    "Softshrink": "rounds once, as float64 does when it is brought to float32",
    **dict.fromkeys(("ChannelShuffle", "PixelShuffle", "PixelUnshuffle"), "only rearranges"),
    **{f"{kind}Pad{n}d": "only copies" for kind in ("Constant", "Zero") for n in (1, 2, 3)},
    **{f"MaxUnpool{n}d": "only copies" for n in (1, 2, 3)},
    **dict.fromkeys(("CircularPad1d", "ReflectionPad1d", "AdaptiveMaxPool1d"), "adds two at most"),
}
CLASSES = sorted({case.class_name for case in CASES})


def used(case: Case) -> float:
    """The largest share of what is allowed that float32 uses, against the same in float64.

    By hand on both sides, so that it is not the processor's choice whether two orders of a sum
    happen to agree.
    """
    coarse = make_pair(case, F32)
    module = copy.deepcopy(coarse.mine).to(F64)  # before it draws: the same masks
    truth = one_pass(module, cast(coarse.inputs, F64), cast(coarse.upstream, F64)).quantities
    mine = coarse.by_hand()
    rounded = {key: np.asarray(values).astype(F32) for key, values in truth.items()}
    return compare(mine.quantities, rounded, mine.allowed, coarse.scale).worst.share


@pytest.mark.parametrize("name", CLASSES)
def test_no_class_has_a_thousand_times_the_room_that_it_needs(name: str) -> None:
    largest = max(used(case) for case in CASES if case.class_name == name)
    assert largest < 1
    assert (largest < 1e-3) == (name in EXACT), largest


@pytest.mark.parametrize(
    ("mine", "theirs", "stands"),
    [(1.9, 1.0, True), (3.9, 1.9, True), (4.1, 1.9, False), (20.0, 11.0, True), (20.0, 9.0, False)],
)
def test_the_judge_allows_twice_pytorchs_distance(mine: float, theirs: float, stands: bool) -> None:
    """Less than 2 eps counts as 2."""
    judgement = Judgement("gradient", "weight", mine, theirs)
    assert judgement.stands == stands
    assert (judgement.verdict == "FURTHER than PyTorch") == (not stands)
    other = Judgement("gradient", "weight", theirs, mine)
    assert (other.verdict == "closer than PyTorch") == (not stands)


# ---- how it is put together


def test_a_module_says_how_long_its_sums_are() -> None:
    layer = manual.Linear(3, 4, dtype=np.float64)
    assert layer.sum_lengths(np.ones((5, 2, 3))) == {
        "output": 3,
        "input": 4,
        "weight": 10,
        "bias": 10,
    }
    assert manual.Tanh().sum_lengths(np.ones(3)) == {}


def test_the_sums_of_all_calls_add_up() -> None:
    """3-4-2 on 5 samples: 3 + 4 forward; back 4 + 2, then 5 samples for a parameter."""
    network = manual.Sequential(
        manual.Linear(3, 4, dtype=np.float64), manual.Linear(4, 2, dtype=np.float64)
    )
    sums = Sums(network)
    with observe_calls(sums):
        network(np.ones((5, 3)))
    allowed = sums.allowed
    assert allowed("output", "0") == 3 + 4 + 2 * 16
    assert allowed("gradient", "input 0") == 3 + 4 + 4 + 2 + 4 * 16
    assert allowed("gradient", "1.weight") == 3 + 4 + 4 + 2 + 4 * 16 + 5
    assert allowed("weight", "1.weight") == 16
    more = replace(allowed, explained={("weight", "1.weight"): 100.0})
    assert more("weight", "1.weight") == 116


def test_code_whose_sums_are_not_known_is_allowed_the_longest_there_can_be() -> None:
    x, y = np.ones((5, 3)), np.ones((5, 4))
    assert allowed_at_most([(4, 3), (4,)], [x], [y]) == Allowed(4 + 4 + 5 + 16, 4 + 4 + 5 + 16)
    assert allowed_at_most([], [x], [np.ones(())]) == Allowed(15 + 16, 15 + 16)


def test_moves_are_opposite_of_one_size_and_leave_zero_alone() -> None:
    values = np.array([0.0, 1.0, -3.0, 0.25])
    one, other = (Moves(sign)(values, 8.0) - values for sign in (1, -1))
    np.testing.assert_array_equal(one, -other)
    np.testing.assert_array_equal(np.abs(one), [0, *[8 * EPS[F64] * 3] * 3])
    assert np.abs(Moves(1)(values, 8.0, scale=6.0) - values)[1] == 8 * EPS[F64] * 6


def test_shadows_show_what_adam_makes_of_a_gradient_about_as_large_as_its_eps() -> None:
    """η g/(|g| + ε) at |g| = ε moves by a quarter of what g/ε does: far more than its last bit."""
    layer = manual.Linear(2, 1, bias=False, dtype=np.float64)
    layer.weight.data[...] = [[1.0, 1.0]]
    optimizer = manual.Adam(layer.parameters(), lr=0.01)
    shadows = Shadows(layer, optimizer)
    layer.weight.grad = np.array([[1.0, 1e-8]])
    optimizer.step()

    def step(shadow: Any) -> Quantities:
        shadow.module.weight.grad = np.array([[1.0, 1e-8]])
        shadow.step()
        return {("weight", "weight"): shadow.module.weight.data}

    allowed = shadows.follow(Allowed(), {("weight", "weight"): layer.weight.data}, {}, step)
    moved = 16 * EPS[F64] / 1e-8 / 4 * 0.01  # of each shadow, in both directions
    expected = 16 + 2 * moved / float(layer.weight.data.max()) / EPS[F64]
    assert allowed("weight", "weight") == pytest.approx(expected, rel=1e-3)
    assert not shadows.far
    for shadow in shadows.furthest:  # of which the outputs count, not the weights
        shadow["weight", "weight"] = shadow["output", "output"] = 0.0
    shadows.furthest[0]["weight", "weight"] = 2 * EPS[F64] ** -0.5
    assert not shadows.far
    shadows.furthest[0]["output", "output"] = 2 * EPS[F64] ** -0.5
    assert shadows.far
