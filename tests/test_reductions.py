"""Sums and maxima of rows and columns; gradients that are products, put where they belong."""

import numpy as np
import pytest

import manual
from manual import reductions

G = np.random.default_rng(0)
SHAPES = [(5, 3), (1, 1), (7, 1), (0, 3), (4, 0), (3,), (2, 3, 4), (2, 0, 4), (2, 3, 4, 5)]
DTYPES = [np.float32, np.float64, np.longdouble]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows(shape: tuple[int, ...], dtype: type) -> None:
    x: np.ndarray
    for x in (G.normal(size=shape).astype(dtype), G.normal(size=shape[::-1]).astype(dtype).T):
        total, largest = reductions.row_sums(x), reductions.row_maxima(x)
        assert total.dtype == largest.dtype == dtype
        np.testing.assert_allclose(total, x.sum(axis=-1), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(largest, x.max(axis=-1, keepdims=True, initial=-np.inf))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("samples", [0, 1, 5, 2000])
def test_columns(samples: int, dtype: type) -> None:
    x: np.ndarray = G.normal(size=(samples, 3)).astype(dtype)
    total = reductions.column_sums(x)
    assert (total.dtype, total.shape) == (dtype, (3,))
    np.testing.assert_allclose(total, x.sum(axis=0), rtol=1e-4, atol=1e-4)


def test_what_is_no_number_shows() -> None:
    x = np.array([[1.0, np.nan], [2.0, 3.0], [-np.inf, -np.inf]])
    np.testing.assert_array_equal(reductions.row_maxima(x), [[np.nan], [3], [-np.inf]])
    np.testing.assert_array_equal(reductions.row_sums(x), [np.nan, 5, -np.inf])


def test_ones_cannot_be_written_to() -> None:
    for n in (3, 5, 2):
        ones = reductions.ones(n, np.dtype(np.float32))
        np.testing.assert_array_equal(ones, np.ones(n, np.float32))
        with pytest.raises(ValueError, match="read-only"):
            ones[0] = 2


# ---- Parameter.accumulate_product


def test_a_product_is_the_gradient_then_adds_to_it() -> None:
    parameter = manual.Parameter(np.zeros((4, 3)))
    a, b = G.normal(size=(4, 5)), G.normal(size=(5, 3))
    parameter.accumulate_product(a, b)
    np.testing.assert_array_equal(parameter.grad, a @ b)
    parameter.accumulate_product(2 * a, b)
    assert parameter.grad is not None
    np.testing.assert_allclose(parameter.grad, 3 * a @ b, rtol=1e-14)
    parameter.grad = None
    parameter.accumulate_product(a, b)
    np.testing.assert_array_equal(parameter.grad, a @ b)


def test_a_product_of_the_gradient_itself_is_right() -> None:
    """Its memory outlives `grad = None`, and somebody may have kept it."""
    parameter = manual.Parameter(np.zeros((3, 3)))
    start = G.normal(size=(3, 3))
    parameter.grad = start
    kept = parameter.grad
    assert kept is not None
    parameter.grad = None
    parameter.accumulate_product(kept, kept)
    np.testing.assert_array_equal(parameter.grad, start @ start)


def test_a_fixed_parameter_gets_no_product() -> None:
    parameter = manual.Parameter(np.zeros((4, 3)), requires_grad=False)
    parameter.accumulate_product(np.ones((4, 5)), np.ones((5, 3)))
    assert parameter.grad is None


def test_a_product_that_does_not_fit_is_refused() -> None:
    parameter = manual.Parameter(np.zeros((4, 3), np.float32))
    a, b = np.ones((4, 5), np.float32), np.ones((5, 3), np.float32)
    for wrong in (b[:, :1], b[:, :2]):
        with pytest.raises(ValueError, match="matmul"):
            parameter.accumulate_product(a, wrong)
        assert parameter.grad is None
    with pytest.raises(TypeError, match="grad in float64 for a parameter in float32"):
        parameter.accumulate_product(a, b.astype(np.float64))
    assert parameter.grad is None
