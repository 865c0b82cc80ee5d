"""Special functions, stable over the whole range of float32, float64 and longdouble."""

import numpy as np

from .arrays import Array
from .reductions import row_maxima, row_sums

PI = np.longdouble("3.14159265358979323846264338327950288")


def sigmoid(x: Array) -> Array:
    """1/(1+e⁻ˣ). Where e⁻ˣ overflows, 1/∞ = 0 is the right limit."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def softplus(x: Array) -> Array:
    """log(1+eˣ) = max(x, 0) + log(1+e^−|x|), of which nothing overflows."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def log_sigmoid(x: Array) -> Array:
    """log σ(x) = −softplus(−x)."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def above_minus_inf(x: Array) -> Array:
    """−∞ as the least finite number: for x·s(x), where −∞·0 has no value but a limit of 0."""
    return np.maximum(x, np.finfo(x.dtype).min)


def clamp_to_finite(x: Array) -> Array:
    """±∞ as the largest finite number: for x·s′(x), which has a limit of 0 on both sides."""
    return np.minimum(above_minus_inf(x), np.finfo(x.dtype).max)


def erf(x: Array) -> Array:
    """2/√π ∫₀ˣ e^−t² dt.

    The integral's series e^−x² · 2x/√π · Σₙ (2x²)ⁿ / (1·3·5···(2n+1)) has no negative terms, so
    nothing cancels. Beyond |x| = 6.5 erf is ±1 in every dtype here.
    Source: Abramowitz & Stegun 7.1.6.
    """
    sign, x = np.sign(x), np.clip(x, -6.5, 6.5)
    square = x * x
    term = np.ones_like(x)
    total = np.ones_like(x)
    n = 0
    while np.any(term > total * (np.finfo(x.dtype).eps / 4)):
        n += 1
        term = term * (2 * square / (2 * n + 1))
        total = total + term
    inside = x * total * np.exp(-square) * (2 / np.sqrt(x.dtype.type(PI)))
    return np.where(np.abs(x) < 6.5, np.clip(inside, -1, 1), sign)


def normal_cdf(z: Array) -> Array:
    """Φ(z), the standard normal's distribution, to its last two or three digits also in the tail.

    Near the middle Φ = (1 + erf(z/√2))/2. In the tail that difference would leave nothing, and
    Φ(−t) = φ(t)/(t + 1/(t + 2/(t + 3/(t + …)))), Laplace's continued fraction, is taken from t = 2
    on, where 100 levels settle every dtype here.
    Source: Abramowitz & Stegun 26.2.14.
    """
    t = np.clip(np.abs(z), 2, 160)
    fraction = t
    for k in range(100, 0, -1):
        fraction = t + k / fraction
    tail = np.exp(t * t / -2) / np.sqrt(z.dtype.type(2 * PI)) / fraction
    near = (1 + erf(np.clip(z, -2, 2) / np.sqrt(z.dtype.type(2)))) / 2
    return np.where(z < -2, tail, np.where(z > 2, 1 - tail, near))


def exponentials(x: Array, axis: int) -> tuple[Array, Array, Array]:
    """x less its largest along the axis, eˣ of that, and the sum of these, whose axis stays as one.

    Of them softmax is made: taking the largest x off changes nothing in it, and keeps e from
    overflow.
    """
    if x.ndim and axis in (-1, x.ndim - 1):
        shifted = x - row_maxima(x)
        e = np.exp(shifted)
        return shifted, e, row_sums(e)[..., np.newaxis]
    shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    e = np.exp(shifted)
    return shifted, e, e.sum(axis=axis, keepdims=True)


def softmax(x: Array, axis: int) -> Array:
    """eˣᵢ / Σⱼ eˣⱼ."""
    _, e, total = exponentials(x, axis)
    return e / total


def log_softmax(x: Array, axis: int) -> Array:
    """log(eˣᵢ / Σⱼ eˣⱼ)."""
    shifted, _, total = exponentials(x, axis)
    return shifted - np.log(total)


def p_distance(x: Array, y: Array, p: float, eps: float) -> tuple[Array, Array]:
    """d = |v|_p of v = x − y + ε along the last axis, (*,), and ∂d/∂x = −∂d/∂y, (*, D).

    ∂d/∂xᵢ = sign vᵢ (|vᵢ|/d)^(p−1): for p = ∞, 1 at the largest, shared out among equal ones. Where
    v = 0 there is no slope, and 0 is taken.
    """
    v = x - y + eps
    size = np.abs(v)
    if p == np.inf:
        d = size.max(axis=-1, initial=0)
        largest = size == d[..., np.newaxis]
        return d, np.sign(v) * largest / largest.sum(axis=-1, keepdims=True, dtype=v.dtype)
    d = np.sqrt(np.square(v).sum(axis=-1)) if p == 2 else (size**p).sum(axis=-1) ** (1 / p)
    powers = (size / np.where(d == 0, 1, d)[..., np.newaxis]) ** (p - 1)
    return d, np.sign(v) * powers
