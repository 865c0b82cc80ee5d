"""The transpose of a convolution as a layer: every input spreads the kernel over the output."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from .convolution import Convolution
from .correlation import correlate, spread, summed_over_places, weight_gradient
from .windows import Sizes, check_spatial, count, inward, outward, sizes_of, span


class TransposedConvolution(Convolution):
    """The transpose of a convolution, as a layer: what carries that one's gradient back.

    Forward     yₙₒ[q] = bₒ + Σ_c Σ_{p, k: p·s + k·d = q} W_cₒ[k] xₙ_c[p]   every input spreads the
                kernel over the output; then `padding` is cut off on both sides
    Backward, with g = ∂L/∂y, by the chain rule over every y in which a number is:
        ∂L/∂xₙ_c[p] = Σₒ Σₖ gₙₒ[p·s + k·d] W_cₒ[k]      x[p] is in y[p·s + k·d], times W[k]
        ∂L/∂W_cₒ[k] = Σₙ Σₚ gₙₒ[p·s + k·d] xₙ_c[p]      W[k] in the same, times x[p]
        ∂L/∂bₒ = Σₙ Σ_q gₙₒ[q]
    The first is the convolution.

    Shapes: input (N, in_channels, *P) or (in_channels, *P), weight (in_channels,
    out_channels/groups, *kernel_size), bias (out_channels,); output (N, out_channels, *S) or
    (out_channels, *S), with
    S = (P − 1) stride − 2 padding + dilation (kernel_size − 1) + output_padding + 1 on each axis.

    Args:
        padding: how much of the output is cut off on both sides.
        output_padding: so much more of it is kept at the end: with a stride, several sizes of a
            convolution's input lead to one size of its output. `output_size`, handed to forward,
            says it by the size that is wanted.
    """

    TRANSPOSED = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(
            *(in_channels, out_channels, kernel_size, stride, dilation, groups, bias),
            *(padding_mode, device, dtype, generator),
        )
        if padding_mode != "zeros":
            raise ValueError(
                f"{type(self).__name__}: padding_mode is {padding_mode!r}, expected zeros"
            )
        self.padding = sizes_of(self, "padding", padding, self.AXES, 0)
        self.output_padding = sizes_of(self, "output_padding", output_padding, self.AXES, 0)

    def sum_lengths(self, input: Array, output_size: Any = None) -> dict[str, int]:
        samples = len(input) if input.ndim == self.AXES + 2 else 1
        places = samples * count(input.shape[-self.AXES :])
        lengths = self.lengths(self.in_channels, self.out_channels, places)
        sizes = zip(self.sizes(input.shape[-self.AXES :], output_size), strict=True)
        return lengths | {"bias": samples * count(tuple(n for (n,) in sizes))}

    def sizes(self, places: Sizes, output_size: Any) -> Sizes:
        """The output's, on each spatial axis.

        Raises:
            ValueError: there is no such output, or it is empty.
        """
        reach = span(self.kernel_size, self.dilation)
        least = [
            (n - 1) * s - 2 * p + r
            for n, s, p, r in zip(places, self.stride, self.padding, reach, strict=True)
        ]
        if output_size is None:
            extra = self.output_padding
            limits = [max(s, d) for s, d in zip(self.stride, self.dilation, strict=True)]
            if any(e >= most for e, most in zip(extra, limits, strict=True)):
                raise ValueError(
                    f"{self!r}: output_padding {extra} must be less than stride or dilation"
                )
            wanted = [n + e for n, e in zip(least, extra, strict=True)]
        else:
            wanted = list(output_size)[-self.AXES :]
            most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
            if len(output_size) < self.AXES or any(
                not n <= w <= m for n, w, m in zip(least, wanted, most, strict=True)
            ):
                raise ValueError(
                    f"{self!r}: output_size is {tuple(output_size)}, expected from {tuple(least)} "
                    f"to {tuple(most)}"
                )
        if min(wanted) < 1:
            raise ValueError(f"{self!r}: the output would have the sizes {tuple(wanted)}")
        return tuple(wanted)

    def whole(self, sizes: Sizes, places: Sizes) -> Sizes:
        """The sizes of what the kernels are spread over, before `padding` is cut off."""
        reach = span(self.kernel_size, self.dilation)
        return tuple(
            max(n + 2 * p, (m - 1) * s + r)
            for n, p, m, s, r in zip(sizes, self.padding, places, self.stride, reach, strict=True)
        )

    def kept(self, sizes: Sizes) -> tuple[slice, ...]:
        """Where in the whole the output is."""
        return tuple(slice(p, p + n) for p, n in zip(self.padding, sizes, strict=True))

    def forward(self, input: Array, output_size: Any = None) -> Array:
        x = self.check_input(input, self.weight.data.dtype)
        batched = check_spatial(self, x, self.AXES, self.in_channels)
        places = x.shape[-self.AXES :]
        sizes = self.sizes(places, output_size)
        x = self.in_groups(np.ascontiguousarray(inward(x, self.AXES)))  # (G, *P, C, N)
        y = self.all_channels(spread(x, self.kernel, sizes, self.padding, *self.slide))
        if self.bias is not None:
            y += self.bias.data[:, np.newaxis]
        self.save_for_backward(x, sizes, batched)
        return outward(y, batched)

    def backward(self, g: Array) -> Any:
        x, sizes, batched = self.take_saved(g)
        g = inward(g, self.AXES)  # (*S, O, N)
        # y += b
        if self.bias is not None:
            self.bias.accumulate(summed_over_places(g))
        # y = spread(x, W), cut
        uncut = np.zeros((*self.whole(sizes, x.shape[1:-2]), *g.shape[-2:]), g.dtype)
        uncut[self.kept(sizes)] = g
        uncut = self.in_groups(uncut)
        self.accumulate_kernel(weight_gradient(uncut, x, *self.slide))
        if not self.input_gradient:
            return None
        grad = correlate(uncut, self.kernel, None, *self.slide, x.shape[1:-2])
        return outward(self.all_channels(grad), batched)


class ConvTranspose1d(TransposedConvolution):
    """The transpose of a convolution along one axis."""

    AXES = 1


class ConvTranspose2d(TransposedConvolution):
    """The transpose of a convolution over two axes."""

    AXES = 2


class ConvTranspose3d(TransposedConvolution):
    """The transpose of a convolution over three axes."""

    AXES = 3
