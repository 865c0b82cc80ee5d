"""Where PyTorch 2.13 is off itself, one test a statement: it turns red when PyTorch is mended.

The truth is the same formula in extended precision. How far PyTorch is, relative to the largest
number of the result; by hand is within the distance that rounding is allowed everywhere.

    what                                                                         how far
    ------------------------------------------------------------------------------------------------
    Hardsigmoid's backward has 1/6 in float32, in float64 too                    3e-8
    CELU's backward has α and 1/α in float32, in float64 too (α = 0.7)           2e-8; 2e-6 at −100
    NAdam has its product of momenta in float32                                  1e-8 of a step
    ASGD has its η and μ in float32                                              2e-8 of a step
    Muon iterates in bfloat16                                                    5e-3 of a step
    CTCLoss's gradient is one only below a log softmax: else it has e^p too much all of it
    CosineEmbedding has 1e-12 in float32, forward and backward                   4e-9 (|x| < 1e-7)
    CosineSimilarity's backward where ε is the length, a constant                0.7 of it (|x| < ε)
    BCE's backward has 1e-12, the least x (1 − x), in float32                    4e-9 (x < 1e-12)
    BCE's gradient by the target at x = 0 and 1, where its loss is finite        ∞ for ±100
    BCEWithLogits, x < 0 and t = 0: a difference of large numbers                1e-4 at −25.7
        nothing is left of it below −33.4, in float32 below −14.6                all of it
    BCEWithLogits' backward, x > 0 and t = 1: 1 − σ(x) for σ(−x)                 1e-5 at 25.7
        nothing is left of it from 36.75 on, in float32 from 16.75 on            all of it
    BCEWithLogits at x = −∞ and t > 0                                            NaN for ∞
    SoftMargin's gradient where −t x = ∞                                         NaN for −t
    CrossEntropy of probabilities, 0 for a class with a score of −∞              NaN for a number
    KLDiv's gradient by the target at t = 0                                      NaN for −∞
    full PoissonNLL's gradient by the target at t = 0                            NaN for a number
    MultiMargin and MultiLabelMargin of no samples, sum and mean                 what memory held
    backward at NaN: g or 0 by its position in the array, vectorized or tail,    0 or g
        for ReLU6, Hardtanh, Hardshrink and Softshrink
    the same: g (SELU's λ g) or NaN, for ELU, CELU, SELU and Hardswish           g or NaN
    GELU, SiLU, Mish, Softsign, Hardswish at ±∞, some at the largest numbers     NaN, ∞ for a limit

The last line's tests are in test_edges.py, beside a table of what is off where.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.parity.judge import CAN_JUDGE, JUDGE, differences, distance_from_judge, truth
from torch_ref.parity.one_pass import one_pass
from torch_ref.parity.tolerance import EPS, Allowed
from torch_ref.twin import to_torch, twin_of

from .cases.draws import spelling
from .conftest import NO_JUDGE

pytestmark = pytest.mark.skipif(not CAN_JUDGE, reason=NO_JUDGE)
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
INF = np.inf
MENDED = "PyTorch is not off any more"
OUTPUT, GRADIENT, BY_TARGET = ("output", "0"), ("gradient", "input 0"), ("gradient", "input 1")
ONE = np.array(1.0)


def pytorch_is_off(
    module: manual.Module, inputs: Any, key: tuple[str, str], dtype: Any = F64
) -> float:
    """How far PyTorch's result is from the truth; asserts that the one by hand is right."""
    inputs = [np.asarray(x, dtype if np.asarray(x).dtype.kind == "f" else None) for x in inputs]
    with np.errstate(all="ignore"):
        with manual.no_grad():
            outputs = np.asarray(module(*inputs))
        upstream = [np.ones(outputs.shape, dtype)]
        mine, theirs = (one_pass(side, inputs, upstream) for side in (module, twin_of(module)))
        right = truth(module, inputs, upstream)[key]
        by_hand = distance_from_judge(mine.quantities[key], right)
        off = distance_from_judge(theirs.quantities[key], right) * EPS[np.dtype(dtype)]
    assert by_hand <= mine.allowed(*key)
    return off


@pytest.mark.parametrize(
    ("module", "x", "least"),
    [
        (manual.Hardsigmoid(), 0.5, 2.9e-8),
        (manual.CELU(0.7), -1e-3, 1.6e-8),
        (manual.CELU(0.7), -100.0, 2.3e-6),
    ],
    ids=["Hardsigmoid", "CELU", "CELU-far"],
)
def test_a_constant_of_backward_is_in_float32(module: Any, x: float, least: float) -> None:
    assert least < pytorch_is_off(module, [[x]], GRADIENT) < 1.1 * least, MENDED


def test_celu_of_one_has_an_exact_constant() -> None:
    assert pytorch_is_off(manual.CELU(1.0), [[-0.5]], GRADIENT) < EPS[F64]


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("NAdam", 1e-9, 1e-7), ("ASGD", 1e-9, 1e-7), ("Muon", 1e-3, 1e-1)],
)
def test_an_optimizer_keeps_less_than_float64(name: str, least: float, most: float) -> None:
    """After three steps, as a share of the way gone."""
    generator = np.random.default_rng(0)
    start, *gradients = generator.normal(size=(4, 4, 3))

    def by_hand(dtype: Any) -> Any:
        parameter = manual.Parameter(start.astype(dtype))
        optimizer = getattr(manual, name)([parameter])
        for gradient in gradients:
            parameter.grad = gradient.astype(dtype)
            optimizer.step()
        return parameter.data

    twin = torch.nn.Parameter(to_torch(start))
    optimizer = getattr(torch.optim, name)([twin])
    for gradient in gradients:
        twin.grad = to_torch(gradient)
        optimizer.step()
    right = by_hand(JUDGE)
    assert distance_from_judge(by_hand(F64), right) <= Allowed()("weight", "")
    way = np.abs(right - start).max()
    off = float(np.abs(twin.detach().numpy() - right).max() / way)
    assert least < off < most, MENDED


def test_ctc_without_log_softmax() -> None:
    """PyTorch's gradient has e^p too much; a log softmax below it takes that away."""
    scores, *others = spelling()(np.random.default_rng(0))
    log_p = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    loss = manual.CTCLoss(reduction="sum")
    assert differences(loss, [log_p, *others], [ONE]).agrees
    assert pytorch_is_off(loss, [log_p, *others], GRADIENT) > 0.1, MENDED


@pytest.mark.parametrize("key", [OUTPUT, GRADIENT], ids=["forward", "backward"])
def test_cosine_embedding_of_short_vectors(key: Any) -> None:
    """Its ε is the float32 nearest to 1e-12: 4e-9 less, which shows where |x|² is not far more."""
    inputs = [np.array([[1e-8, 2e-8]]), np.array([[2e-8, 1e-8]]), np.array([-1.0])]
    off = pytorch_is_off(manual.CosineEmbeddingLoss(), inputs, key)
    assert 3.9e-9 < off < 4.1e-9, MENDED


@pytest.mark.parametrize("t", [0.5, 1.0])
def test_bce_next_to_certainty(t: float) -> None:
    """The least x (1 − x) is the float32 nearest to 1e-12."""
    off = pytorch_is_off(manual.BCELoss(), [[1e-13], [t]], GRADIENT)
    assert 3.9e-9 < off < 4.1e-9, MENDED


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_bce_by_a_target_beside_certainty(x: float) -> None:
    """Forward takes logarithms as −100 at least, and this gradient does not."""
    assert pytorch_is_off(manual.BCELoss(), [[x], [0.5]], OUTPUT) == 0
    assert pytorch_is_off(manual.BCELoss(), [[x], [0.5]], BY_TARGET) == INF, MENDED


LOGITS = manual.BCEWithLogitsLoss()


@pytest.mark.parametrize(
    ("x", "dtype", "least", "most"),
    [
        (-5.0, F32, 1e-6, 1e-5),
        (-12.0, F32, 1e-2, 1),
        (-14.75, F32, 1, 1),
        (-25.7, F64, 1e-4, 1.2e-4),
        (-30.0, F64, 1e-2, 2e-2),
        (-33.5, F64, 1, 1),
    ],
    ids=str,
)
def test_bce_with_logits_of_what_did_not_happen(
    x: float, dtype: Any, least: float, most: float
) -> None:
    """log(1 + eˣ) as −log σ(x) + x: at worst nothing is left."""
    assert least <= pytorch_is_off(LOGITS, [[x], [0.0]], OUTPUT, dtype) <= most, MENDED


@pytest.mark.parametrize(
    ("x", "dtype", "least", "most"),
    [
        (10.0, F32, 1e-4, 1e-3),
        (16.75, F32, 1, 1),
        (25.7, F64, 1e-6, 1e-4),
        (36.75, F64, 1, 1),
    ],
    ids=str,
)
def test_bce_with_logits_backward_of_what_happened(
    x: float, dtype: Any, least: float, most: float
) -> None:
    """σ(−x) as 1 − σ(x): at worst nothing is left."""
    assert least <= pytorch_is_off(LOGITS, [[x], [1.0]], GRADIENT, dtype) <= most, MENDED


@pytest.mark.parametrize("t", [0.25, 1.0])
def test_bce_with_logits_of_minus_infinity(t: float) -> None:
    x, target = np.array([-INF]), np.array([t])
    with np.errstate(invalid="ignore"):
        assert LOGITS(x, target) == INF
    assert torch.nn.BCEWithLogitsLoss()(*map(to_torch, (x, target))).isnan(), MENDED
    np.testing.assert_array_equal(LOGITS.backward(), [-t])


@pytest.mark.parametrize(("x", "t"), [(-INF, 1.0), (INF, -1.0)])
def test_soft_margin_backward_at_infinity(x: float, t: float) -> None:
    """It is NaN, which is infinitely far from −t."""
    assert pytorch_is_off(manual.SoftMarginLoss(), [[x], [t]], GRADIENT) == INF, MENDED


def test_cross_entropy_of_a_class_that_cannot_be() -> None:
    """A score of −∞ for what has the probability 0, as a mask leaves it: 0·∞ counts 0 by hand."""
    loss = manual.CrossEntropyLoss()
    inputs = [[[0.0, -INF, 1.0]], [[0.75, 0.0, 0.25]]]
    assert pytorch_is_off(loss, inputs, OUTPUT) == INF, MENDED


@pytest.mark.parametrize(
    ("module", "right"),
    [
        (manual.KLDivLoss(reduction="sum"), -INF),
        (manual.PoissonNLLLoss(full=True, reduction="sum"), -0.5),
        (manual.PoissonNLLLoss(False, True, reduction="sum"), -np.log(0.5 + 1e-8)),
    ],
    ids=["KLDiv", "PoissonNLL-full", "PoissonNLL-full-log_input=False"],
)
def test_the_targets_gradient_at_zero(module: Any, right: float) -> None:
    """It is 0·∞ in PyTorch, of the branch that was not taken."""
    inputs, upstream = [np.array([0.5]), np.array([0.0])], [ONE]
    with np.errstate(divide="ignore"):
        mine = one_pass(module, inputs, upstream).gradients["input 1"]
    np.testing.assert_array_equal(mine, [right])
    theirs = one_pass(twin_of(module), inputs, upstream).gradients["input 1"]
    assert theirs.isnan(), MENDED


@contextmanager
def filled_memory() -> Iterator[None]:
    """PyTorch fills memory that it has not initialized with NaN, instead of leaving it as it is."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("name", ["MultiMarginLoss", "MultiLabelMarginLoss"])
def test_no_samples(name: str) -> None:
    """Their value is what the memory held: another from call to call, and NaN where it is filled.

    So is their mean, which should be NaN: of that nothing can be shown from one call. By hand and
    in all other losses the sum of nothing is 0, and the mean of nothing NaN.
    """
    x = np.zeros((0, 3))
    target = np.zeros((0,) if name == "MultiMarginLoss" else (0, 3), np.int64)
    theirs = getattr(torch.nn, name)(reduction="sum")
    assert getattr(manual, name)(reduction="sum")(x, target) == 0
    assert np.isnan(getattr(manual, name)()(x, target))
    with filled_memory():
        assert theirs(*map(to_torch, (x, target))).isnan(), MENDED


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        *((name, {"0.0", "1.0"}) for name in ("ReLU6", "Hardtanh", "Hardshrink", "Softshrink")),
        *((name, {"1.0", "nan"}) for name in ("ELU", "CELU", "Hardswish")),
        ("SELU", {"1.0507009873554805", "nan"}),
    ],
)
def test_nan_in_backward_depends_on_its_position(name: str, answers: set[str]) -> None:
    """One thing in the vectorized part of an array, another in its tail."""
    x = torch.full((67,), torch.nan, dtype=torch.float64, requires_grad=True)
    getattr(torch.nn, name)()(x).sum().backward()
    assert x.grad is not None
    assert {str(slope) for slope in x.grad.tolist()} == answers, MENDED


def test_cosine_similarity_of_a_vector_shorter_than_its_eps() -> None:
    """There the length that it is divided by is ε, a constant: nothing of the gradient is cut."""
    short, other = np.array([[3e-9, 4e-9, 0.0]]), np.array([[1.0, 2.0, 3.0]])
    module = manual.CosineSimilarity()
    assert pytorch_is_off(module, [short, other], GRADIENT) > 0.1, MENDED
    assert pytorch_is_off(module, [short, other], BY_TARGET) < 1e-14  # the other's is right
    assert pytorch_is_off(module, [short * 1e9, other], GRADIENT) < 1e-14
    assert differences(module, [short, other], [np.ones(1)]).agrees
