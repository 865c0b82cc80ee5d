"""The sums of a convolution: over what a kernel sees at every place, and back from there.

Nothing of the convolution's matrix is ever written out. In memory the padded input lies as
(*S, C, N), see windows.py. Of its lines, those that the rows of the kernel see are copied side by
side, as if they were more channels of one line: so what the kernel sees at place p, k neighbouring
pixels, is one block of (K·C, N) numbers, K the number of weights, and what it sees at all places is
a *view* whose blocks overlap. The convolution is one matrix product for each place,
(O, K·C) x (K·C, N), and the gradient of the weights is that of these blocks with the upstream
gradient. The input's gradient is with a stride of 1 such a convolution once more; else every
product W[k]ᵀ g[p] is added where it belongs. All of it goes through the places a few rows at a
time, which stay in the processor's cache.

Arrays here are (G, *S, C, N), of groups, spatial axes, channels and samples.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ..arrays import Array
from ..reductions import row_sums
from .padding import bordered
from .windows import Part, Sizes, blocks, count, scratch, span, taps

SMALL = 10**6  # multiplications in a matrix product that needs no packing


def side_by_side(x: Array, kernel: int, stride: int, memory: Array) -> Array:
    """Every `kernel` pixels that are neighbours on the last spatial axis, as one block: a view.

    Args:
        x: (*, S, C, N), contiguous on these axes.
        memory: the contiguous array with which x begins.
    Returns:
        (*, P, kernel·C, N), the blocks overlapping.
    """
    *others, pixels, channels, samples = x.shape
    channel = samples * x.itemsize
    pixel = channels * channel
    shape = (*others, (pixels - kernel) // stride + 1, kernel * channels, samples)
    strides = (*x.strides[: len(others)], stride * pixel, channel, x.itemsize)
    return np.ndarray(shape, x.dtype, memory, 0, strides)


def groups_first(x: Array) -> Array:
    """(*S, G, C, N) -> (G, *S, C, N): a view."""
    return x.transpose(-3, *range(x.ndim - 3), -2, -1)


def groups_inside(x: Array) -> Array:
    """(G, *S, C, N) -> (*S, G, C, N): a view, contiguous where `groups_first` was handed such."""
    return x.transpose(*range(1, x.ndim - 2), 0, -2, -1)


@lru_cache
def taps_strides(strides: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """Of `taps_last`, from those of its x."""
    group, *spatial, channel, sample = strides
    places = (n * s for n, s in zip(spatial, stride, strict=True))
    *others, last = (n * d for n, d in zip(spatial, dilation, strict=True))
    return (group, *places, last, *others, channel, sample)


def taps_last(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> Array:
    """What the kernel sees of x (G, *S, C, N) at every place: a view (G, *P, Kₗ, *K, C, N).

    Kₗ is the kernel's last axis: its columns come one after the other.
    """
    shape = (len(x), *out, kernel[-1], *kernel[:-1], *x.shape[-2:])
    strides = taps_strides(x.strides, stride, dilation)
    return np.ndarray(shape, x.dtype, groups_inside(x), 0, strides)


def unfolded(
    x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes, size: int
) -> Iterator[tuple[slice, Array]]:
    """What the kernel sees at a block of places after the other, p of the first axis at a time.

    Args:
        x: (G, *S, C, N), contiguous.
        out: how many places there are on each axis.
        size: elements that are at work for one place.
    Returns:
        The places of the first axis, with (G, p, *P, K·C, N), the kernel's columns one after the
        other; it is overwritten by the next.
    """
    channels, samples = x.shape[-2:]
    # one copy for each row of the kernel; for each weight where a row's pixels are not neighbours
    # in memory, because of dilation or groups
    overlapping = len(x) == 1 and dilation[-1] == 1
    rows, steps, sizes = kernel, stride, out
    if overlapping:
        rows, steps = (*kernel[:-1], 1), (*stride[:-1], 1)
        sizes = (*out[:-1], (out[-1] - 1) * stride[-1] + kernel[-1])  # all of a line that is seen
    lines = count(rows)
    seen = taps_last(x, rows, steps, dilation, sizes)
    if lines == 1:  # nothing to copy
        seen = seen.reshape(*seen.shape[: len(out) + 1], channels, samples)
        if overlapping:
            seen = side_by_side(seen, kernel[-1], stride[-1], groups_inside(x))
        yield from ((block, seen[:, block]) for block in blocks(out[0], count(out[1:]) * size))
        return
    for block in blocks(out[0], count(out[1:]) * size):
        copied = scratch("seen", (len(x), block.stop - block.start, *seen.shape[2:]), x.dtype)
        np.copyto(copied, seen[:, block])
        columns = copied.reshape(*copied.shape[: len(out) + 1], lines * channels, samples)
        if overlapping:
            columns = side_by_side(columns, kernel[-1], stride[-1], copied)
        yield block, columns


def correlate(
    x: Array,
    W: Array,
    b: Array | None,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
    out: Sizes,
) -> Array:
    """y[p] = b + Σₖ W[k] x[p·stride + k·dilation].

    Args:
        x: (G, *S, C, N), contiguous; W: (G, *1, O, K·C), the kernel's columns one after the other;
            b: (G·O,), or None for none.
        out: how many places p there are on each axis.
    Returns:
        (G, *P, O, N).
    """
    groups, outputs, samples = len(W), W.shape[-2], x.shape[-1]
    y = groups_first(np.empty((*out, groups, outputs, samples), x.dtype))
    size = groups * sum(W.shape[-2:]) * samples
    bias = None if b is None else np.repeat(b, samples).reshape(*W.shape[:-1], samples)
    for block, seen in unfolded(x, kernel, stride, dilation, out, size):
        part = y[:, block]
        np.matmul(W, seen, out=part)  # (G, *1, O, K·C) x (G, p, *P, K·C, N)
        if bias is not None:
            np.add(part, bias, out=part)
    return y


def summed_over_places(g: Array) -> Array:
    """(*P, O, N) -> (O,)."""
    places_last = np.ascontiguousarray(row_sums(g).reshape(-1, g.shape[-2]).T)  # (O, places)
    return np.add.reduce(places_last, axis=1)  # such are added in pairs: rounding grows with log n


def weight_gradient(x: Array, g: Array, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """∂L/∂W[k] = Σₚ g[p] x[p·stride + k·dilation]ᵀ, over all places p and samples.

    Args:
        x: (G, *S, C, N), contiguous; g: (G, *P, O, N), the gradient of `correlate`'s result.
    Returns:
        (G, O, K·C).
    """
    out, (groups, outputs, samples), inputs = g.shape[1:-2], (len(g), *g.shape[-2:]), x.shape[-2]
    terms = count(kernel) * inputs
    size = groups * (terms * outputs + (terms + outputs) * samples)
    total = np.zeros((groups, terms, outputs), g.dtype)
    for block, seen in unfolded(x, kernel, stride, dilation, out, size):
        turned = g[:, block].swapaxes(-1, -2)  # (G, p, *P, N, O)
        if outputs > samples:
            # The product of each place would be larger than what is seen there. One for each row:
            seen = np.moveaxis(seen, -2, 2).reshape(groups, len(seen[0]), terms, -1)
            turned = turned.reshape(groups, len(seen[0]), -1, outputs)
        elif terms > samples:  # then it pays to have the product's smaller side as it wants it
            contiguous = scratch("turned", turned.shape, g.dtype)
            np.copyto(contiguous, turned)
            turned = contiguous
        each = scratch("each", (*seen.shape[:-1], outputs), g.dtype)
        np.matmul(seen, turned, out=each)  # (G, p, *P, K·C, N) x (G, p, *P, N, O)
        total += np.add.reduce(each.reshape(groups, -1, terms, outputs), axis=1)
    return total.swapaxes(-1, -2)


Landing = tuple[int, int, int, Part, Part]


@lru_cache
def landings(
    kernel: Sizes, stride: Sizes, dilation: Sizes, before: Sizes, out: Sizes, shape: Sizes
) -> tuple[Landing, ...]:
    """For each weight, column after column, the places p whose p·stride + k·dilation − before is
    inside, and where that is: on the first axis as the first p, one more than the last, and
    k·dilation − before; on the others as slices of the input, and of the places.
    """
    every = []
    for tap in taps((kernel[-1], *kernel[:-1])):
        axes, sizes = [], zip((*tap[1:], tap[0]), stride, dilation, before, out, shape, strict=True)
        for k, s, d, b, m, n in sizes:
            offset = k * d - b
            first, last = max(0, -(offset // s)), min(m, (n - 1 - offset) // s + 1)
            axes.append((first, max(first, last), offset))
        here = [every_between(*axis, s) for axis, s in zip(axes[1:], stride[1:], strict=True)]
        there = [slice(first, last) for first, last, _ in axes[1:]]
        every.append((*axes[0], (*here,), (*there,)))
    return tuple(every)


def every_between(first: int, last: int, offset: int, stride: int) -> slice:
    """p·stride + offset for all places p from `first` to before `last`."""
    start = first * stride + offset
    return slice(start, start + max(0, (last - 1 - first) * stride + 1), stride)


def spread_by_correlation(
    g: Array, W: Array, shape: Sizes, before: Sizes, kernel: Sizes, dilation: Sizes
) -> Array:
    """`spread` with a stride of 1: x[q] = Σ W[k]ᵀ g[q + before − k·dilation].

    That is `correlate` with the kernel turned round and a border around g: so the products
    themselves add up.
    """
    groups, outputs, places = len(W), W.shape[-2], g.shape[1:-2]
    sizes = zip(span(kernel, dilation), before, shape, places, strict=True)
    widths = tuple((r - 1 - b, n + b - m) for r, b, n, m in sizes)
    around = groups_first(bordered(groups_inside(g), widths))
    turned = W.reshape(groups, outputs, count(kernel), -1)[:, :, ::-1]
    turned = turned.transpose(0, 3, 2, 1)  # (G, C, K, O)
    turned = turned.reshape(*W.shape[:-2], -1, count(kernel) * outputs)
    return correlate(around, turned, None, kernel, (1,) * len(kernel), dilation, shape)


def spread(
    g: Array,
    W: Array,
    shape: Sizes,
    before: Sizes,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
) -> Array:
    """∂L/∂x[q] = Σ W[k]ᵀ g[p] over all p and k with p·stride + k·dilation − before = q.

    It is the transpose of `correlate` with a padding of zeros.

    Args:
        g: (G, *P, O, N); W: (G, *1, O, K·C).
        shape: of x on its spatial axes; what falls outside is left out.
        before: the padding before each axis.
    Returns:
        (G, *S, C, N).
    """
    out, (groups, outputs, samples) = g.shape[1:-2], (len(g), *g.shape[-2:])
    channels = W.shape[-1] // count(kernel)
    if max(stride) == 1 and W[0].size * samples <= SMALL:
        return spread_by_correlation(g, W, shape, before, kernel, dilation)
    turned = np.ascontiguousarray(W.swapaxes(-1, -2))  # (G, *1, K·C, O)
    x = groups_first(np.zeros((*shape, groups, channels, samples), g.dtype))
    lands = landings(kernel, stride, dilation, before, out, shape)
    together = -(-16 // channels)  # weights' places in one product: a narrow matrix is slow
    for block in blocks(
        out[0], count(out[1:]) * groups * samples * (outputs + together * channels)
    ):
        places = g[:, block]
        for start in range(0, len(lands), together):
            some = lands[start : start + together]
            rows = turned[..., start * channels : (start + len(some)) * channels, :]
            back = scratch("back", (*places.shape[:-2], rows.shape[-2], samples), g.dtype)
            np.matmul(rows, places, out=back)  # (G, *1, k·C, O) x (G, p, *P, O, N)
            for i, (first, last, offset, here, there) in enumerate(some):
                first, last = max(first, block.start), min(last, block.stop)
                if first < last:
                    at = every_between(first, last, offset, stride[0])
                    part = back[:, first - block.start : last - block.start, *there]
                    x[:, at, *here] += part[..., i * channels : (i + 1) * channels, :]
    return x
