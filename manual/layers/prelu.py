"""PReLU: a LeakyReLU whose slope is learnt."""

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..module import Module, check_positive, refuse
from ..parameter import Parameter


class PReLU(Module):
    """yₙ = xₙ where xₙ > 0, else w xₙ: w is learnt, one for all or one for each channel (axis 1).

    Backward, with g = ∂L/∂y:
        ∂L/∂xₙ = gₙ where xₙ > 0, else gₙ w     chain rule: the slope of either line times gₙ
        ∂L/∂w = Σₙ gₙ ∂yₙ/∂w                    w reaches L through every yₙ, so they add up
              = Σₙ gₙ xₙ [xₙ ≤ 0]               it is the factor of those xₙ alone
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.num_parameters = check_positive(self, "num_parameters", num_parameters)
        self.init = init
        self.weight = Parameter(np.full(num_parameters, init, float_dtype(dtype)))

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"weight": input.size // self.num_parameters}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input, self.weight.data.dtype)
        channels = x.shape[1] if x.ndim > 1 else 1
        if self.num_parameters not in (1, channels):
            raise ValueError(
                f"{self!r}: input of shape {x.shape} has {channels} channels, "
                f"expected {self.num_parameters}"
            )
        # w stands along axis 1, so that it meets its own channel
        w = self.weight.data.reshape(self.num_parameters, *[1] * (x.ndim - 2))
        self.save_for_backward(x, w)
        return np.where(x > 0, x, w * x).reshape(x.shape)

    def backward(self, g: Array) -> Array:
        x, w = self.take_saved(g)
        through_w = g * np.where(x > 0, 0, x)
        others = tuple(axis for axis in range(x.ndim) if axis != 1 or self.num_parameters == 1)
        self.weight.accumulate(through_w.sum(axis=others).reshape(-1))
        return np.where(x > 0, g, w * g).reshape(x.shape)
