"""The edges of what modules take, as in PyTorch: NaN, ∞, ties, numbers without axes, whole numbers.

Where PyTorch has no right answer itself, a table says so: `PYTORCH_OVERFLOWS` here, and with a test
for each the docstring of test_pytorch_is_off.py.
"""

from inspect import Parameter, signature
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.losses.loss import Loss
from torch_ref.parity.distance import Report, compare, measure
from torch_ref.parity.judge import CAN_JUDGE, truth
from torch_ref.parity.one_pass import one_pass
from torch_ref.twin import to_torch

from .cases import IN_IMAGES, SEQUENCES, Case
from .cases.activations import ELEMENTWISE, PYTORCH_IS_OFF
from .cases.case import Chain, Recipe, cast, plain, typed, written
from .cases.draws import log_probabilities, normal, scores, spelling
from .conftest import NO_JUDGE, Pair, assert_agreement, input_names, make_pair, named, public

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
INF, NAN = np.inf, np.nan
REFUSALS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)


def edge(name: str, recipe: Recipe | Chain, *inputs: Any, off: str = "") -> Any:
    """A case of just these inputs, as a parameter of that name."""
    arrays = tuple(np.asarray(x) for x in inputs)
    case = Case(name, recipe, lambda g: arrays, smooth=False, pytorch_is_off=off)
    return pytest.param(case, id=name)


def without(name: str, report: Report) -> Report:
    """The report without the rows of that name."""
    return Report([row for row in report.rows if row.name != name])


# ---- activations at NaN, ±∞, ±0 and the ends of the dtype's range

RECIPES = {
    made.__name__ + written(options): plain(made, **options)
    for made, variants in ELEMENTWISE.items()
    for options in variants
} | {"PReLU": typed(manual.PReLU)}
SIZES = {
    "inf": INF,
    "-inf": -INF,
    "0": 0.0,
    "-0": -0.0,
    "tiny": "tiny",
    "-tiny": "tiny",
    "subnormal": "smallest_subnormal",
    "-subnormal": "smallest_subnormal",
    "max": "max",
    "-max": "max",
}
# Where PyTorch computes ∞·0 or ∞/∞, or overflows, instead of the limit: always, or in some dtype,
# part of an array or for some g. (Softsign's is a difference that should be 0: one subnormal is.)
PYTORCH_OVERFLOWS: dict[tuple[str, str], dict[str, str]] = {
    ("GELU", "inf"): {"output": "in part", "gradient": "always"},
    ("GELU", "-inf"): {"output": "always", "gradient": "always"},
    ("GELU", "max"): {"output": "in part"},
    ("GELU-approximate=tanh", "inf"): {"gradient": "always"},
    ("GELU-approximate=tanh", "-inf"): {"output": "always", "gradient": "always"},
    ("GELU-approximate=tanh", "max"): {"gradient": "always"},
    ("GELU-approximate=tanh", "-max"): {"gradient": "always"},
    ("SiLU", "inf"): {"gradient": "always"},
    ("SiLU", "-inf"): {"output": "always", "gradient": "always"},
    ("Mish", "inf"): {"gradient": "always"},
    ("Mish", "-inf"): {"output": "always", "gradient": "always"},
    ("Softsign", "inf"): {"output": "always", "gradient": "always"},
    ("Softsign", "-inf"): {"output": "always", "gradient": "always"},
    ("Softsign", "max"): {"gradient": "in part"},
    ("Softsign", "-max"): {"gradient": "in part"},
    ("Hardswish", "-inf"): {"output": "always"},
    ("Hardswish", "max"): {"output": "always"},
}
# There the factor 1/6, or 1/α, that PyTorch has in float32 comes into the gradient.
OFF_AT = {
    "Hardsigmoid": ("0", "-0", "tiny", "-tiny", "subnormal", "-subnormal"),
    "CELU-alpha=0.7": ("0", "-0", "-tiny", "-subnormal"),
}


def sized(size: str, dtype: Any) -> Any:
    value = SIZES[size]
    if isinstance(value, str):
        value = getattr(np.finfo(dtype), value) * (-1 if size.startswith("-") else 1)
    return np.dtype(dtype).type(value)


def filled(name: str, value: Any, count: int, dtype: Any, off: str = "") -> Pair:
    """A pair whose input is one value, many times."""
    inputs = np.full((count,), value, dtype)
    return make_pair(Case(name, RECIPES[name], lambda g: (inputs,), False, True, off), dtype)


@pytest.mark.parametrize("count", [1, 67])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        (name, size)
        for name in RECIPES
        for size in SIZES
        if len(PYTORCH_OVERFLOWS.get((name, size), {})) < 2  # else nothing is left to compare
    ],
)
def test_activations_at_the_ends(name: str, size: str, count: int, dtype: Any) -> None:
    """In a vectorized part of an array and in its tail."""
    off = PYTORCH_IS_OFF.get(name, "") if size in OFF_AT.get(name, ()) else ""
    with np.errstate(all="ignore"):
        pair = filled(name, sized(size, dtype), count, dtype, off)
        report = pair.gradients()
    overflows = PYTORCH_OVERFLOWS.get((name, size), {})
    assert_agreement(Report([row for row in report.rows if row.kind not in overflows]))


@pytest.mark.parametrize("count", [1, 67])
@pytest.mark.parametrize(("name", "size"), PYTORCH_OVERFLOWS)
def test_where_pytorch_overflows(name: str, size: str, count: int, dtype: Any) -> None:
    """By hand it is the limit there."""
    if not CAN_JUDGE:
        pytest.skip(NO_JUDGE)
    with np.errstate(all="ignore"):
        pair = filled(name, sized(size, dtype), count, dtype)
        mine, theirs = pair.by_hand(), pair.by_autograd()
        right = truth(pair.mine, pair.inputs, pair.upstream)
        report = compare(mine.quantities, theirs.quantities, mine.allowed, pair.scale)
    for row in report.rows:
        when = PYTORCH_OVERFLOWS[name, size].get(row.kind, "")
        assert row.agrees or when, f"not in the table: {report}"
        assert not (row.agrees and when == "always"), f"PyTorch is not off any more: {report}"
        key = (row.kind, row.name)
        wide = np.asarray(right[key])
        assert not np.isnan(wide).any()
        rounded = wide.astype(dtype)
        assert measure(*key, mine.quantities[key], rounded, mine.allowed(*key)).agrees


# Its scalar code does one thing with NaN, its vectorized code another: either is right.
VARY = {"ReLU6", "Hardtanh", "Hardshrink", "Softshrink", "ELU", "CELU", "SELU", "Hardswish"}
VECTORIZED_AT_NAN = {"ELU", "CELU", "SELU", "Hardswish"}  # whose answer by hand is that code's


@pytest.mark.parametrize("name", RECIPES)
def test_nan_backward_is_one_of_pytorchs_answers(name: str, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        pair = filled(name, NAN, 67, dtype)
        mine, theirs = pair.by_hand().gradients, pair.by_autograd().gradients
    g = pair.upstream[0]
    answers = {f"{abs(slope):.5f}" for slope in theirs["input 0"].numpy() / g}
    own = {f"{abs(slope):.5f}" for slope in mine["input 0"] / g}
    assert len(own) == 1
    assert own <= answers
    assert len(answers) == 1 or name.partition("-")[0] in VARY


@pytest.mark.parametrize(
    "name", [n for n in RECIPES if n.partition("-")[0] not in VECTORIZED_AT_NAN]
)
def test_nan_as_pytorchs_scalar_code(name: str, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        assert_agreement(filled(name, NAN, 1, dtype).gradients())


# ---- ties: where a loss or an activation has a kink


def one(made: Any, *inputs: Any, name: str = "", **options: Any) -> Any:
    """Such a case, its losses not reduced where it has several."""
    full = made.__name__ + written(options) + name
    if issubclass(made, Loss):
        options = {"reduction": "none", **options}
    return edge(full, plain(made, **options), *inputs)


ROW = [[0.0, 1.0, 2.0, -1.0]]
TIES = [
    one(manual.L1Loss, [0.5, -1.0, 0.0, -0.0], [0.5, -1.0, -0.0, 0.0]),
    *(
        one(manual.SmoothL1Loss, [beta, -beta, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0 + beta], beta=beta)
        for beta in (1.0, 0.5, 0.0)
    ),
    *(
        one(manual.HuberLoss, [delta, -delta, 0.0, 1.0], [0.0, 0.0, 0.0, 1 + delta], delta=delta)
        for delta in (1.0, 0.5)
    ),
    one(manual.PoissonNLLLoss, [0.5, 2.0], [1.0, 1.0], full=True),
    one(manual.GaussianNLLLoss, [0.5, 2.0, 1.0], [1.0, 1.0, 1.0], [0.25, 0.25, 0.0], eps=0.25),
    one(manual.HingeEmbeddingLoss, [1.0, 1.0, 0.0, 2.0], [1.0, -1.0, 1.0, -1.0]),
    one(manual.HingeEmbeddingLoss, [0.25, 0.25], [1.0, -1.0], margin=0.25),
    *(
        one(
            manual.MarginRankingLoss,
            [margin, 0.0, 0.5, 0.0],
            [0.0, margin, 0.5, 0.0],
            [1.0, -1.0, 1.0, -1.0],
            margin=margin,
        )
        for margin in (0.0, 0.5)
    ),
    *(
        one(manual.MultiMarginLoss, ROW * 4, [0, 1, 2, 3], p=p, margin=margin)
        for p in (1, 2)
        for margin in (1.0, 2.0)
    ),
    one(manual.MultiLabelMarginLoss, ROW * 2, [[1, -1, 0, 0], [2, 1, -1, 0]]),
    one(
        manual.CosineEmbeddingLoss,
        [[1.0, 0.0], [2.0, 2.0], [1.0, 1.0]],
        [[0.0, 2.0], [1.0, -1.0], [1.0, -1.0]],
        [-1.0, -1.0, 1.0],
    ),
    *(
        one(
            manual.TripletMarginLoss,
            [[0.0, 0.0], [1.0, 2.0]],
            [[1.0, 0.0], [1.0, 3.0]],
            [[2.0, 0.0], [3.0, 2.0]],
            p=p,
            eps=0.0,
            name="-kept exactly",
        )
        for p in (1.0, 2.0)
    ),
    *(
        one(
            manual.TripletMarginLoss,
            [[1.0, 2.0], [1.0, 2.0]],
            [[1.0, 2.0], [2.0, 2.0]],
            [[1.0, 2.0], [1.0, 2.0]],
            p=p,
            eps=0.0,
            name="-same places",
        )
        for p in (1.0, 2.0, 3.0)
    ),
    *(
        one(
            manual.TripletMarginLoss,
            [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
            [[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]],
            [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
            p=p,
            eps=0.0,
            swap=True,
            name="-equally far",
        )
        for p in (1.0, 2.0)
    ),
    one(manual.Hardtanh, [-2.0, 0.5, 0.0], min_val=-2.0, max_val=0.5),
    one(manual.Softplus, [8.0, np.nextafter(8.0, 9.0), 7.0], beta=2.5),
    one(manual.Threshold, [-0.25, 0.0], threshold=-0.25, value=0.0),
    one(manual.Hardshrink, [-1.5, 1.5, 0.0], lambd=1.5),
    one(manual.Softshrink, [-1.5, 1.5, 0.0], lambd=1.5),
    one(manual.Hardshrink, [-0.0, 0.0], lambd=0.0),
    one(manual.Softshrink, [-0.0, 0.0], lambd=0.0),
    edge("PReLU", typed(manual.PReLU), [0.0, -0.0]),
]


@pytest.mark.parametrize("case", TIES)
def test_ties(case: Case, dtype: Any) -> None:
    assert_agreement(make_pair(case, dtype).gradients())


def test_a_triplets_tie_is_split_in_half() -> None:
    """p is two away and n in the middle: its distance to either has half of the gradient."""
    loss = manual.TripletMarginLoss(reduction="sum", eps=0.0, swap=True)
    anchor, positive, negative = np.array([[0.0]]), np.array([[2.0]]), np.array([[1.0]])
    loss(anchor, positive, negative)
    by_anchor, by_positive, by_negative = loss.backward()
    np.testing.assert_array_equal([by_anchor, by_positive, by_negative], [[[-0.5]], [[0.5]], [[0]]])


@pytest.mark.parametrize("name", ["LeakyReLU", "PReLU"])
def test_an_infinite_slope_at_zero(name: str, dtype: Any) -> None:
    """0 · ∞ is no number, as in PyTorch: 0 is on the side of the slope."""
    infinite = {"LeakyReLU": plain(manual.LeakyReLU, INF), "PReLU": typed(manual.PReLU, 1, INF)}
    case = Case(name, infinite[name], lambda g: (np.array([0.0, -0.0]),), smooth=False)
    with np.errstate(invalid="ignore"):
        pair = make_pair(case, dtype)
        assert_agreement(pair.gradients())
        np.testing.assert_array_equal(pair.mine(*pair.inputs), NAN)


def test_a_ranking_target_between_the_signs(dtype: Any) -> None:
    """PyTorch takes any number, and so every formula has to."""
    t = np.array([0.5, -2.0, 0.0, 3.0])
    x1, x2 = np.array([1.0, -1.0, 2.0, 0.25]), np.array([1.5, -2.0, 1.0, 0.5])
    recipe = plain(manual.MarginRankingLoss, margin=0.5, reduction="none")
    case = Case("MarginRankingLoss", recipe, lambda g: (x1, x2, t), smooth=False)
    assert_agreement(make_pair(case, dtype).gradients())


def test_one_variance_below_0_beside_one_that_is_no_number() -> None:
    var = np.array([0.25, NAN, -0.5])
    with pytest.raises(ValueError, match=r"var has values from -0\.5 to 0\.25, expected 0 or more"):
        manual.GaussianNLLLoss()(np.ones(3), np.ones(3), var)


def test_a_class_that_is_ignored_where_there_is_one_only() -> None:
    for made in (manual.NLLLoss, manual.CrossEntropyLoss):
        loss = made(reduction="sum")
        np.testing.assert_array_equal(
            loss(np.array([[-0.5], [-0.25]]), np.array([-100, 0])) > 0, made is manual.NLLLoss
        )
        np.testing.assert_array_equal(loss.backward()[0], 0)


@pytest.mark.parametrize("shape", [(), (7,)])
def test_a_slope_for_each_channel_needs_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"input of shape .* has 1 channels, expected 2"):
        manual.PReLU(2, dtype=np.float64)(np.ones(shape))


def test_what_cannot_happen_costs_nothing() -> None:
    """KLDiv at t = 0: t log t is 0 there. The target's own gradient is −∞ in the limit."""
    case = named("KLDivLoss-log_target=False-reduction=none")
    x, t = case.build(np.float64)[1]
    inputs = (x, np.where(t > 0.5, 0, t))
    pair = make_pair(Case("KLDivLoss", case.recipe, lambda g: inputs), np.float64)
    assert_agreement(without("input 1", pair.gradients()))
    loss = pair.mine(*inputs)
    assert (inputs[1] == 0).any()
    np.testing.assert_array_equal(loss[inputs[1] == 0], 0)


# ---- infinite and NaN inputs of losses

SCORES = {
    "inf": [INF, 0.0, 1.0],
    "-inf": [-INF, 0.0, 1.0],
    "inf beside": [0.0, INF, 1.0],
    "-inf beside": [0.0, -INF, 1.0],
    "inf twice": [INF, INF, 0.0],
    "-inf twice": [-INF, -INF, 0.0],
    "both": [INF, -INF, 0.0],
    "all -inf": [-INF, -INF, -INF],
    "inf and -inf beside": [0.0, INF, -INF],
    "nan": [0.0, NAN, 1.0],
    "nan itself": [NAN, 0.0, 1.0],
}
PAIRS = {
    "inf": (INF, 0.25),
    "-inf": (-INF, 0.25),
    "beside inf": (0.25, INF),
    "beside -inf": (0.25, -INF),
    "inf twice": (INF, INF),
    "-inf twice": (-INF, -INF),
    "both": (INF, -INF),
    "nan": (NAN, 0.25),
    "beside nan": (0.25, NAN),
    "inf and 0": (INF, 0.0),
    "inf and 1": (INF, 1.0),
    "-inf and 0": (-INF, 0.0),
    "-inf and 1": (-INF, 1.0),
}
# A target of 0, or a logit of −∞, is one of those where PyTorch is off in some of these losses.
INFINITE = [
    *(
        one(made, [x], [t], name=f"-{name}", **options)
        for made, options in (
            (manual.L1Loss, {}),
            (manual.MSELoss, {}),
            (manual.SmoothL1Loss, {}),
            (manual.SmoothL1Loss, {"beta": 0.0}),
            (manual.HuberLoss, {}),
        )
        for name, (x, t) in PAIRS.items()
    ),
    *(
        one(made, [x], [t], name=f"-{name}", **options)
        for made, options in (
            (manual.BCEWithLogitsLoss, {}),
            (manual.KLDivLoss, {}),
            (manual.KLDivLoss, {"log_target": True}),
            (manual.PoissonNLLLoss, {}),
            (manual.PoissonNLLLoss, {"log_input": False}),
            (manual.PoissonNLLLoss, {"full": True}),
        )
        for name, (x, t) in PAIRS.items()
        if np.isfinite(t) and not (t == 0 and made is not manual.BCEWithLogitsLoss)
        if not (x == -INF and t > 0 and made is manual.BCEWithLogitsLoss)
    ),
    *(
        one(made, [x], [t], name=f"-{x}-{t:g}")
        for made in (manual.HingeEmbeddingLoss, manual.SoftMarginLoss)
        for x in (INF, -INF, NAN)
        for t in (1.0, -1.0)
        if made is manual.HingeEmbeddingLoss or x * t != -INF
    ),
    *(
        one(manual.MarginRankingLoss, [x], [y], [t], name=f"-{name}-{t:g}")
        for name, (x, y) in PAIRS.items()
        for t in (1.0, -1.0)
    ),
    *(
        one(manual.GaussianNLLLoss, [x], [t], [v], name=f"-{name}-{v:g}")
        for name, (x, t) in PAIRS.items()
        for v in (0.5, INF, NAN)
    ),
    *(
        one(made, [row], target, name=f"-{name}-{target}", **options)
        for name, row in SCORES.items()
        for made, options, target in (
            (manual.MultiMarginLoss, {"p": 1}, [0]),
            (manual.MultiMarginLoss, {"p": 2}, [0]),
            (manual.MultiMarginLoss, {"p": 2}, [1]),
            (manual.MultiLabelMarginLoss, {}, [[0, -1, -1]]),
            (manual.MultiLabelMarginLoss, {}, [[0, 2, -1]]),
            (manual.CrossEntropyLoss, {}, [0]),
            (manual.CrossEntropyLoss, {}, [[0.5, 0.25, 0.25]]),
            (manual.NLLLoss, {}, [0]),
            (manual.NLLLoss, {}, [1]),
            (manual.MultiLabelSoftMarginLoss, {}, [[0.25, 0.5, 0.5]]),
        )
    ),
    *(
        one(manual.CosineEmbeddingLoss, [row], [[0.0, 1.0, 0.5]], [t], name=f"-{name}-{t:g}")
        for name, row in SCORES.items()
        for t in (1.0, -1.0)
    ),
    *(
        one(manual.TripletMarginLoss, *rows, name=f"-{name}-{place}", swap=swap)
        for name, row in SCORES.items()
        for swap in (False, True)
        for place in range(3)
        for rows in [[[row] if i == place else [[0.5, i, 1.0]] for i in range(3)]]
    ),
]


@pytest.mark.parametrize("name", SCORES)
def test_infinite_scores_are_no_cause_for_a_warning(name: str) -> None:
    """∞ − ∞ is no lead of one class before another, and counts nothing."""
    row = np.array([SCORES[name]])
    manual.MultiMarginLoss()(row, np.array([0]))
    manual.MultiLabelMarginLoss()(row, np.array([[0, 2, -1]]))


ONE = normal((5, 1))
ONE_CLASS = [
    Case(made.__name__, plain(made, reduction=reduction), draw, smooth=False)
    for reduction in ("none", "mean", "sum")
    for made, draw in (
        (manual.NLLLoss, scores((5, 1))),
        (manual.CrossEntropyLoss, scores((5, 1))),
        (manual.MultiMarginLoss, scores((5, 1))),
        (manual.MultiLabelMarginLoss, lambda g: (*ONE(g), np.zeros((5, 1), int))),
        (manual.MultiLabelSoftMarginLoss, normal((5, 1), (5, 1))),
        (manual.TripletMarginLoss, normal((5, 1), (5, 1), (5, 1))),
    )
]


@pytest.mark.parametrize("case", ONE_CLASS, ids=lambda case: f"{case.name}-{case.recipe.options}")
def test_there_may_be_one_class_only(case: Case, dtype: Any) -> None:
    assert_agreement(make_pair(case, dtype).gradients())


@pytest.mark.parametrize("case", INFINITE)
def test_infinite_and_nan_inputs(case: Case, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        report = make_pair(case, dtype).gradients()
    assert_agreement(report)


# ---- numbers: inputs without axes

NUMBER, OTHER = 0.375, 0.75
REDUCTIONS = ("none", "mean", "sum")
TAKE_NUMBERS = [
    *(
        edge(name, recipe, NUMBER, off=PYTORCH_IS_OFF.get(name, "") if name in OFF_AT else "")
        for name, recipe in RECIPES.items()
        if name != "CELU-alpha=0.7"  # its constant in float32 does not come in above 0
    ),
    edge("CELU-alpha=0.7", RECIPES["CELU-alpha=0.7"], NUMBER),
    edge("Identity", plain(manual.Identity), NUMBER),
    *(
        edge(f"{made.__name__}-dim={dim}", plain(made, dim=dim), NUMBER)
        for made in (manual.Softmax, manual.Softmin, manual.LogSoftmax)
        for dim in (0, -1)
    ),
    *(
        edge(f"Flatten-{start}-{end}", plain(manual.Flatten, start, end), NUMBER)
        for start, end in ((0, -1), (0, 0), (-1, 0), (-1, -1))
    ),
    *(
        edge(f"{made.__name__}-p={p}", Recipe(made, (p,), draws=True, training=training), NUMBER)
        for made in (manual.Dropout, manual.AlphaDropout)
        for p, training in ((0.5, False),)
    ),
    *(
        edge(
            made.__name__ + written(options) + f"-{reduction}",
            plain(made, reduction=reduction, **options),
            NUMBER,
            *others,
        )
        for made, options, others in (
            (manual.L1Loss, {}, [OTHER]),
            (manual.MSELoss, {}, [OTHER]),
            (manual.SmoothL1Loss, {}, [OTHER]),
            (manual.HuberLoss, {}, [OTHER]),
            (manual.BCELoss, {}, [OTHER]),
            (manual.BCEWithLogitsLoss, {}, [OTHER]),
            (manual.KLDivLoss, {}, [OTHER]),
            (manual.KLDivLoss, {"log_target": True}, [OTHER]),
            (manual.PoissonNLLLoss, {}, [OTHER]),
            (manual.PoissonNLLLoss, {"log_input": False, "full": True}, [OTHER]),
            (manual.GaussianNLLLoss, {}, [OTHER, 0.5]),
            (manual.HingeEmbeddingLoss, {}, [-1.0]),
            (manual.SoftMarginLoss, {}, [-1.0]),
            (manual.MarginRankingLoss, {}, [OTHER, 1.0]),
            (manual.MultiMarginLoss, {}, [0]),
            (manual.MultiLabelMarginLoss, {}, [0]),
            (manual.MultiLabelMarginLoss, {}, [-1]),
            (manual.TripletMarginLoss, {}, [OTHER, 1.0]),
            (manual.TripletMarginLoss, {"swap": True}, [OTHER, 1.0]),
        )
        for reduction in (*REDUCTIONS, *(["batchmean"] if made is manual.KLDivLoss else []))
    ),
    edge("PairwiseDistance", plain(manual.PairwiseDistance), NUMBER, OTHER),
]
REFUSE_NUMBERS = [
    *(
        edge(f"{made.__name__}-dim={dim}", plain(made, dim=dim), NUMBER)
        for made in (manual.Softmax, manual.Softmin, manual.LogSoftmax)
        for dim in (1, -2)
    ),
    *(edge(f"GLU-dim={dim}", plain(manual.GLU, dim=dim), NUMBER) for dim in (0, -1, 1)),
    edge("Softmax2d", plain(manual.Softmax2d), NUMBER),
    edge("PReLU-3", typed(manual.PReLU, 3), NUMBER),
    edge("Flatten-1", plain(manual.Flatten), NUMBER),
    *(
        edge(f"Unflatten-{dim}-{sizes}", plain(manual.Unflatten, dim, sizes), NUMBER)
        for dim, sizes in ((0, (1, 1)), (-1, (1,)))
    ),
    edge("Linear", typed(manual.Linear, 1, 2), NUMBER),
    edge("Conv1D", typed(manual.Conv1D, 2, 1), NUMBER),
    edge("Bilinear", typed(manual.Bilinear, 1, 1, 2), NUMBER, OTHER),
    edge("RotaryEmbedding", plain(manual.RotaryEmbedding), NUMBER),
    edge("SwiGLU", typed(manual.SwiGLU, 1, 2), NUMBER),
    edge("TextLSTM", typed(manual.TextLSTM, 3, 2, 2), 1),
    edge("GPT", typed(manual.GPT, 3, 2, 1, 1, 2), 1),
    edge("Llama", typed(manual.Llama, 3, 2, 2, 1, 1, 1), 1),
    edge("MicroGPT", typed(manual.MicroGPT, 3, 2, 1, 1, 2), 1),
    edge("Embedding", typed(manual.Embedding, 3, 2), NUMBER),
    edge("NLLLoss", plain(manual.NLLLoss), NUMBER, 0),
    edge("CrossEntropyLoss", plain(manual.CrossEntropyLoss), NUMBER, 0),
    edge("CrossEntropyLoss-shares", plain(manual.CrossEntropyLoss), NUMBER, OTHER),
    edge("MultiLabelSoftMarginLoss", plain(manual.MultiLabelSoftMarginLoss), NUMBER, OTHER),
    edge("CosineEmbeddingLoss", plain(manual.CosineEmbeddingLoss), NUMBER, OTHER, 1.0),
    edge("CTCLoss", plain(manual.CTCLoss), NUMBER, 1, 1, 1),
    *(
        edge(name, case.recipe, NUMBER, *([0] if "Unpool" in name else []))
        for name, case in {case.class_name: case for case in IN_IMAGES}.items()
    ),
    *(
        edge(name, case.recipe, *[NUMBER] * len(input_names(getattr(manual, name))))
        for name, case in {case.class_name: case for case in reversed(SEQUENCES)}.items()
        if name != "PairwiseDistance"
    ),
]
# They have no twin, are whole networks, or have a test of their own.
NETWORKS = {"Sequential", "MLP", "ConvNet", "ResNet", "ResidualBlock"}
NOT_NUMBERS = NETWORKS | {"HalfSquaredError", "Dropout1d", "Dropout2d", "ModuleList", "ModuleDict"}


@pytest.mark.parametrize("case", TAKE_NUMBERS)
def test_numbers_are_taken(case: Case, dtype: Any) -> None:
    assert_agreement(make_pair(case, dtype).gradients())


@pytest.mark.parametrize("case", REFUSE_NUMBERS)
def test_numbers_are_refused(case: Case) -> None:
    """With a message of one's own, that names the module."""
    mine, inputs = case.build(np.float64)
    theirs = case.reference(np.float64, mine)
    with pytest.raises(REFUSALS):
        theirs(*map(to_torch, inputs))
    with pytest.raises((ValueError, IndexError, TypeError), match=rf"{type(mine).__name__}\("):
        mine(*inputs)


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_dropout_of_a_number(name: str) -> None:
    mine, theirs = (getattr(side, name)(0.0) for side in (manual, torch.nn))
    y = mine(np.array(NUMBER))
    assert y.shape == ()
    assert y == theirs(torch.tensor(NUMBER)).item() == NUMBER
    assert mine.backward(np.array(OTHER)) == OTHER


def test_dropout_of_nothing_keeps_what_has_drawn_0() -> None:
    class Nothing(np.random.Generator):
        def random(self, size: Any = None, dtype: Any = np.float64) -> Any:  # type: ignore[override]
            return np.zeros(size or (), dtype)

    x = np.array([1.0, -2.0])
    for p, kept in ((0.0, x), (0.5, 0 * x), (1.0, 0 * x)):
        layer = manual.Dropout(p, generator=Nothing(np.random.PCG64(0)))
        np.testing.assert_array_equal(layer(x), kept)


@pytest.mark.parametrize("name", ["Dropout1d", "Dropout2d"])
def test_dropout_of_channels_refuses_a_number(name: str) -> None:
    """PyTorch's Dropout2d warns instead, and will refuse it."""
    x = torch.tensor(NUMBER)
    if name == "Dropout1d":
        with pytest.raises(RuntimeError):
            torch.nn.Dropout1d()(x)
    with pytest.raises(ValueError, match=rf"{name}\(\): input has 0 axes"):
        getattr(manual, name)()(x.numpy())


def test_every_module_takes_numbers_or_refuses_them() -> None:
    covered = {param.values[0].class_name for param in (*TAKE_NUMBERS, *REFUSE_NUMBERS)}
    assert covered | NOT_NUMBERS == public(manual.Module).keys()


# ---- no samples

NONE, NO_CLASSES = np.zeros((0, 3)), np.zeros(0, np.int64)
NO_NUMBERS = NONE[:, 0]
TAKE_NOTHING: dict[Any, list[tuple[Any, ...]]] = {
    **{
        made: [(NONE, NONE)]
        for made in (
            manual.L1Loss,
            manual.MSELoss,
            manual.SmoothL1Loss,
            manual.HuberLoss,
            manual.BCELoss,
            manual.BCEWithLogitsLoss,
            manual.KLDivLoss,
            manual.PoissonNLLLoss,
            manual.HingeEmbeddingLoss,
            manual.SoftMarginLoss,
            manual.MultiLabelSoftMarginLoss,
        )
    },
    manual.NLLLoss: [(NONE, NO_CLASSES)],
    manual.CrossEntropyLoss: [(NONE, NO_CLASSES), (NONE, NONE)],
    manual.GaussianNLLLoss: [(NONE, NONE, NONE)],
    manual.MarginRankingLoss: [(NO_NUMBERS, NO_NUMBERS, NO_NUMBERS)],
    manual.CosineEmbeddingLoss: [(NONE, NONE, NO_NUMBERS)],
    manual.TripletMarginLoss: [(NONE, NONE, NONE)],
}
EMPTY = [
    edge(f"{made.__name__}-{reduction}-{i}", plain(made, reduction=reduction), *inputs)
    for made, variants in TAKE_NOTHING.items()
    for i, inputs in enumerate(variants)
    for reduction in REDUCTIONS
]


@pytest.mark.parametrize("case", EMPTY)
def test_no_samples(case: Case, dtype: Any) -> None:
    """What PyTorch's other two losses make of it stands in test_pytorch_is_off.py."""
    assert_agreement(make_pair(case, dtype).gradients())


# ---- targets in whole numbers

SIGNED = ("int8", "int16", "int32", "int64")


def whole(made: Any, target: Any, kind: str, *inputs: Any, **options: Any) -> Any:
    name = f"{made.__name__}{written(options)}-{kind}"
    return edge(name, plain(made, **options), *inputs, np.array(target, kind))


X, Y = [[0.5, -1.5], [2.0, 0.25], [-0.75, 1.0]], [[1.0, 0.5], [-0.5, 1.25], [0.75, 2.0]]
WHOLE = [
    *(
        whole(manual.MarginRankingLoss, [1, -1, 1], kind, X[0] + [1.0], Y[0] + [2.0], **options)
        for kind in SIGNED
        for options in ({}, {"margin": 2.0, "reduction": "none"}, {"reduction": "sum"})
    ),
    *(
        whole(made, [[1, -1], [-1, 1], [1, 1]], kind, X, reduction=reduction)
        for made in (manual.HingeEmbeddingLoss, manual.SoftMarginLoss)
        for kind in SIGNED
        for reduction in REDUCTIONS
    ),
    *(
        whole(manual.MultiLabelSoftMarginLoss, [[1, 0], [0, 1], [1, 1]], kind, X, **options)
        for kind in (*SIGNED, "uint8")
        for options in ({}, {"reduction": "none", "weight": np.array([0.5, 2.0])})
    ),
    *(
        whole(manual.CosineEmbeddingLoss, [1, -1, -1], kind, X, Y, reduction=reduction)
        for kind in SIGNED
        for reduction in REDUCTIONS
    ),
]


@pytest.mark.parametrize("case", WHOLE)
def test_targets_in_whole_numbers(case: Case, dtype: Any) -> None:
    assert_agreement(make_pair(case, dtype).gradients())


# ---- what PyTorch refuses


@pytest.mark.parametrize(
    ("target", "var"),
    [
        *(((4, 3), shape) for shape in ((), (1,), (3,), (1, 1), (1, 4, 3), (3, 4), (2, 3), (4, 2))),
        *((shape, (4, 3)) for shape in ((4,), (2,), (3, 4), (2, 3), (4, 2), (0, 3))),
    ],
    ids=str,
)
def test_gaussian_shapes_that_do_not_fit(target: tuple, var: tuple) -> None:
    inputs = [np.ones((4, 3)), np.ones(target), np.ones(var)]
    with pytest.raises((ValueError, RuntimeError)):
        torch.nn.GaussianNLLLoss()(*map(to_torch, inputs))
    with pytest.raises(ValueError, match=r"GaussianNLLLoss\(\): (target of|var has) shape"):
        manual.GaussianNLLLoss()(*inputs)


SHARES = named("CrossEntropyLoss-reduction=mean-shares")


@pytest.mark.parametrize("ignored", [0, 1, 2, 3, 100])
def test_an_ignored_class_and_probabilities(ignored: int) -> None:
    _, inputs = SHARES.build(np.float64)
    with pytest.raises(RuntimeError, match="ignore_index"):
        torch.nn.CrossEntropyLoss(ignore_index=ignored)(*map(to_torch, inputs))
    with pytest.raises(ValueError, match=f"ignore_index is {ignored}, which names a class"):
        manual.CrossEntropyLoss(ignore_index=ignored)(*inputs)


@pytest.mark.parametrize("ignored", [-1, -100])
def test_what_names_no_class_is_no_matter_to_probabilities(ignored: int, dtype: Any) -> None:
    case = Case(
        "CrossEntropyLoss", plain(manual.CrossEntropyLoss, None, None, ignored), SHARES.draw
    )
    assert_agreement(make_pair(case, dtype).gradients())


# ---- arguments by position

W = np.array([0.5, 2.0, 1.25])
BY_POSITION: dict[str, tuple[Any, ...]] = {
    "L1Loss": (None, None, "sum"),
    "MSELoss": (None, None, "sum"),
    "SmoothL1Loss": (None, None, "sum", 0.5),
    "HuberLoss": ("sum", 0.5),
    "BCELoss": (W, None, None, "sum"),
    "BCEWithLogitsLoss": (W, None, None, "sum", W[::-1].copy()),
    "KLDivLoss": (None, None, "batchmean", True),
    "PoissonNLLLoss": (False, True, None, 0.5, None, "sum"),
    "GaussianNLLLoss": (),
    "NLLLoss": (W, None, 1, None, "sum"),
    "CrossEntropyLoss": (W, None, 1, None, "sum", 0.2),
    "HingeEmbeddingLoss": (0.3, None, None, "sum"),
    "SoftMarginLoss": (None, None, "sum"),
    "MarginRankingLoss": (0.5, None, None, "sum"),
    "MultiMarginLoss": (2, 0.5, W, None, None, "sum"),
    "MultiLabelMarginLoss": (None, None, "sum"),
    "MultiLabelSoftMarginLoss": (W, None, None, "sum"),
    "CosineEmbeddingLoss": (-0.5, None, None, "sum"),
    "TripletMarginLoss": (4.0, 3.0, 0.5, True, None, None, "sum"),
    "CTCLoss": (4, "sum", True),
}
INPUTS = {
    "KLDivLoss": named("KLDivLoss-log_target=True-reduction=none").draw,
    "MultiMarginLoss": scores((5, 3)),
    "NLLLoss": log_probabilities((5, 3)),
    "CrossEntropyLoss": scores((5, 3)),
    "GaussianNLLLoss": named("GaussianNLLLoss-reduction=mean").draw,
    "CTCLoss": spelling(),
}


def inputs_of(name: str) -> tuple[Any, ...]:
    """Of the first case of that class, but for those above."""
    draw = INPUTS.get(name)
    if draw is None:
        draw = named(f"{name}{FIRST.get(name, '')}-reduction=none").draw
    return tuple(draw(np.random.default_rng(0)))


FIRST = {"PoissonNLLLoss": "-log_input=False-full=True", "TripletMarginLoss": "-margin=4.0-p=3.0"}


@pytest.mark.parametrize("name", BY_POSITION)
def test_arguments_by_position(name: str, dtype: Any) -> None:
    arguments = [cast(value, np.dtype(dtype)) for value in BY_POSITION[name]]
    inputs = [cast(x, dtype) for x in inputs_of(name)]
    mine = getattr(manual, name)(*arguments)
    theirs = getattr(torch.nn, name)(*map(to_torch, arguments))
    upstream = [np.array(1.5, dtype)]
    by_hand = one_pass(mine, inputs, upstream)
    report = compare(
        by_hand.quantities, one_pass(theirs, inputs, upstream).quantities, by_hand.allowed, 1.5
    )
    # CTC's is a gradient in PyTorch only below a log softmax
    assert_agreement(without("input 0", report) if name == "CTCLoss" else report)


def test_every_loss_has_all_its_arguments_by_position() -> None:
    """As many as PyTorch's constructor takes; GaussianNLLLoss's go by name only."""
    taken = {
        name: sum(
            parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
            for parameter in signature(getattr(torch.nn, name)).parameters.values()
        )
        for name in public(Loss)
    }
    assert {name: len(arguments) for name, arguments in BY_POSITION.items()} == taken
