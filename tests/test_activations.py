"""Activations at the ends of the number line, at their kinks, and the mistakes others have made."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import manual

from .cases.activations import ELEMENTWISE
from .cases.case import written
from .conftest import named

MADE = [
    pytest.param(made, options, id=made.__name__ + written(options))
    for made, variants in ELEMENTWISE.items()
    for options in variants
]
# What y and dy/dx tend to at −∞ and +∞, by the mathematics, for the default arguments
LIMITS = {
    "ReLU": (0, 0, np.inf, 1),
    "ReLU6": (0, 0, 6, 0),
    "Hardtanh": (-1, 0, 1, 0),
    "LeakyReLU": (-np.inf, 0.01, np.inf, 1),
    "ELU": (-1, 0, np.inf, 1),
    "CELU": (-1, 0, np.inf, 1),
    "SELU": (-1.7580993408473766, 0, np.inf, 1.0507009873554805),
    "GELU": (0, 0, np.inf, 1),
    "SiLU": (0, 0, np.inf, 1),
    "Mish": (0, 0, np.inf, 1),
    "Sigmoid": (0, 0, 1, 0),
    "LogSigmoid": (-np.inf, 1, 0, 0),
    "Tanh": (-1, 0, 1, 0),
    "Tanhshrink": (-np.inf, 1, np.inf, 1),
    "Softplus": (0, 0, np.inf, 1),
    "Softsign": (-1, 0, 1, 0),
    "Hardsigmoid": (0, 0, 1, 0),
    "Hardswish": (0, 0, np.inf, 1),
    "Hardshrink": (-np.inf, 1, np.inf, 1),
    "Softshrink": (-np.inf, 1, np.inf, 1),
}


def run(module: manual.Module, x: Any) -> tuple[Any, Any]:
    y = module(x)
    return y, module.backward(np.ones_like(x))


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in LIMITS), ("GELU", {"approximate": "tanh"})]
)
def test_limits(name: str, options: dict, dtype: Any) -> None:
    y, slope = run(getattr(manual, name)(**options), np.array([-np.inf, np.inf], dtype))
    low, low_slope, high, high_slope = LIMITS[name]
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(y, [low, high], rtol=2 * eps)
    np.testing.assert_allclose(slope, [low_slope, high_slope], rtol=2 * eps)


def test_every_elementwise_activation_has_limits() -> None:
    assert {made.__name__ for made in ELEMENTWISE} == {*LIMITS, "Threshold"}


@pytest.mark.parametrize(("made", "options"), MADE)
def test_no_warning_and_no_nan_over_the_whole_range(made: Any, options: dict, dtype: Any) -> None:
    largest = float(np.finfo(dtype).max) / 4  # SELU itself would overflow
    sizes = [0, np.finfo(dtype).tiny, 1e-30, 1e-3, 1, 80, 90, 700, 720, 1e4, 1e15, 1e30, largest]
    x = np.array([sign * size for size in sizes for sign in (-1, 1)], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, slope = run(made(**options), x)
    assert not np.isnan(y).any()
    assert np.isfinite(slope).all()
    assert y.dtype == slope.dtype == dtype


@pytest.mark.parametrize(("made", "options"), MADE)
def test_nan_stays_nan(made: Any, options: dict, dtype: Any) -> None:
    """A NaN that went in comes out, as in PyTorch: it is not mended on the way."""
    x = np.array([1.0, np.nan], dtype)
    y = made(**options)(x)
    theirs = getattr(torch.nn, made.__name__)(**options)(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(np.isnan(y), np.isnan(theirs))


@pytest.mark.parametrize("made", [manual.Softmax, manual.LogSoftmax, manual.Softmin])
def test_softmax_of_huge_scores(made: Any, dtype: Any) -> None:
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, slope = run(made(dim=-1), x)
    theirs = getattr(torch.nn, made.__name__)(dim=-1)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(y, theirs, rtol=1e-6)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("x", [-7.0, -1.0, -1e-3, 0.0, 0.3, 1.0, 2.5, 6.0, 30.0])
def test_erf(x: float) -> None:
    from math import erf

    assert float(manual.special.erf(np.array(x))) == pytest.approx(erf(x), rel=1e-15, abs=1e-300)


def test_erf_is_1_from_where_every_dtype_has_it_so(dtype: Any) -> None:
    far = np.array([-np.inf, -1e30, -20, -13, -6.5, 6.5, 7, 13, 20, 1e30, np.inf], dtype)
    np.testing.assert_array_equal(manual.special.erf(far), np.sign(far))
    near = np.linspace(-6.5, 6.5, 9_999, dtype=dtype)
    assert np.abs(manual.special.erf(near)).max() == 1


def test_phi_on_both_sides_of_where_its_forms_meet(dtype: Any) -> None:
    """The continued fraction beyond ±2, the series within: neither is used past its own place."""
    from math import erfc, sqrt

    z = np.array([-160, -12, -5, -3, -2.5, -2.01, -2, -1.99, -1, 0, 1, 2, 2.01, 2.5, 3, 9], dtype)
    expected = [erfc(-v / sqrt(2)) / 2 for v in z.astype(float)]
    mine = manual.special.normal_cdf(z)
    np.testing.assert_allclose(mine, expected, rtol=64 * np.finfo(dtype).eps, atol=1e-37)


def test_hardsigmoid_is_flat_at_its_corners(dtype: Any) -> None:
    """In any dtype; PyTorch's own 1/6 of float32 does not matter there."""
    x = np.array([-3, -3, 0, 3, 3], dtype)
    x[[1, 3]] = np.nextafter(x[[0, 4]], dtype.type(0))
    _, slope = run(manual.Hardsigmoid(), x)
    np.testing.assert_array_equal(slope, np.array([0, 1, 1, 1, 0], dtype) / dtype.type(6))


def test_an_option_at_the_end_of_the_range_does_not_overflow(dtype: Any) -> None:
    """Where x > 0 the other branch is computed as well, at 0: of a large α, or of x/α."""
    largest = float(np.finfo(dtype).max) * 0.9
    x = np.array([0.5, 1, 3], dtype)
    for module in (manual.ELU(largest), manual.CELU(1 / 1024)):
        y, slope = run(module, x)
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(slope, 1)


def test_gelu_in_the_far_tail(dtype: Any) -> None:
    """Φ keeps its digits where 1 + erf has none left: y is never on the wrong side of 0."""
    from math import erfc, sqrt

    x = np.linspace(-10, -2, 401).astype(dtype)
    y, slope = run(manual.GELU(), x)
    expected = np.array([v * erfc(-v / sqrt(2)) / 2 for v in x.astype(float)])
    np.testing.assert_allclose(y, expected, rtol=300 * np.finfo(dtype).eps)
    assert (y < 0).all()
    assert (np.diff(y[x < -3].astype(float)) < 0).all()
    assert np.abs(slope[0]) < 1e-20


# Mistakes that a well-known package of by-hand layers has made: each wrong gradient is written out
# here, to see that the case tells it from the right one.


def right(name: str) -> tuple[Any, tuple[Any, ...], Any, Any]:
    """A case's output, inputs, upstream gradient and input gradient."""
    case = named(name)
    module, inputs = case.build(np.float64)
    (g,) = case.upstream(np.float64)
    y = module(*inputs)
    return y, inputs, g, module.backward(g)


def test_dropout_without_its_mask() -> None:
    _, _, g, gradient = right("Dropout-p=0.3-2axes")
    assert not np.allclose(gradient, g)
    assert not np.allclose(gradient, g / 0.7)
    assert set(np.round(gradient / g, 12).ravel()) == {0.0, round(1 / 0.7, 12)}


def test_embedding_with_repeated_rows() -> None:
    case = named("Embedding-padding=None-1axes")
    module: Any
    module, (rows,) = case.build(np.float64)
    assert len(set(rows)) < len(rows)
    (g,) = case.upstream(np.float64)
    module(rows)
    module.backward(g)
    overwritten = np.zeros_like(module.weight.data)
    overwritten[rows] = g
    assert not np.allclose(module.weight.grad, overwritten)
    np.testing.assert_allclose(module.weight.grad.sum(axis=0), g.sum(axis=0))


def test_gelu_with_the_other_forms_derivative() -> None:
    _, (x,), g, exact = right("GELU")
    approximate = manual.GELU("tanh")
    approximate(x)
    assert not np.allclose(approximate.backward(g), exact, rtol=1e-6)
    theirs = torch.from_numpy(x).requires_grad_()
    torch.nn.GELU()(theirs).backward(torch.from_numpy(g))
    assert theirs.grad is not None
    np.testing.assert_allclose(exact, theirs.grad, rtol=1e-13, atol=1e-15)


def test_softmax_on_an_axis_that_is_not_the_last() -> None:
    y, _, g, gradient = right("Softmax-3axes-dim1")
    along_last = y * (g - (g * y).sum(axis=-1, keepdims=True))
    assert not np.allclose(gradient, along_last)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)  # the shares add up to 1


def test_dropout_keeps_the_mean_and_alpha_dropout_the_variance_too() -> None:
    x = np.random.default_rng(0).normal(size=400_000)
    for made in (manual.Dropout, manual.AlphaDropout):
        y = made(0.3, generator=np.random.default_rng(1))(x)
        assert y.mean() == pytest.approx(0, abs=0.01)
    assert y.std() == pytest.approx(1, abs=0.01)
