"""Which step there is of which class."""

from collections.abc import Callable
from typing import Any

from manual.layers.adaptive_pooling import AdaptiveAvgPool, AdaptiveMaxPool
from manual.layers.attention import ScaledDotProductAttention
from manual.layers.batch_normalization import BatchNorm, InstanceNorm
from manual.layers.convolution import ForwardConvolution
from manual.layers.multihead_attention import MultiheadAttention
from manual.layers.normalization import GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from manual.layers.pooling import AvgPool, LPPool, MaxPool
from manual.layers.recurrent_steps import Step as RecurrentStep
from manual.layers.transposed_convolution import TransposedConvolution

from ..example import Run
from .attention import attention, multihead_attention
from .convolution import convolution, transposed_convolution
from .normalization import normalization, response_normalization, rms_normalization
from .parts import Step
from .pooling import average_pooling, max_pooling, power_pooling
from .recurrent import recurrence

STEPS: dict[Any, Callable[[Run], Step]] = {
    ForwardConvolution: convolution,
    TransposedConvolution: transposed_convolution,
    **dict.fromkeys((MaxPool, AdaptiveMaxPool), max_pooling),
    **dict.fromkeys((AvgPool, AdaptiveAvgPool), average_pooling),
    LPPool: power_pooling,
    **dict.fromkeys((BatchNorm, InstanceNorm, LayerNorm, GroupNorm), normalization),
    RMSNorm: rms_normalization,
    LocalResponseNorm: response_normalization,
    RecurrentStep: recurrence,
    ScaledDotProductAttention: attention,
    MultiheadAttention: multihead_attention,
}


def maker_of(cls: type) -> Callable[[Run], Step] | None:
    """What follows the example of a class through; None if nothing does."""
    return next((STEPS[base] for base in cls.__mro__ if base in STEPS), None)


def step_of(run: Run) -> Step | None:
    """The step of an example; None of a class for which there is none."""
    make = maker_of(type(run.module))
    return None if make is None else make(run)
