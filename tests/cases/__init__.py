"""The one table of parity cases: every check in this directory runs over all of them.

    draws         what inputs can be drawn
    case          what a case is, and how its module is made on both sides
    layers, activations, convolution, pooling, normalization, images, sequences, losses, networks
                  the table: a new case is one more line

Options of a class multiply out: `over` gives a case for each combination of them.
"""

from .activations import ACTIVATIONS
from .case import Case
from .convolution import CONVOLUTIONS
from .images import IMAGES
from .layers import LAYERS
from .losses import LOSSES
from .networks import NETWORKS
from .normalization import NORMALIZATIONS
from .pooling import POOLING
from .sequences import SEQUENCES

__all__ = ["CASES", "IN_IMAGES", "Case"]

IN_IMAGES = [*CONVOLUTIONS, *POOLING, *NORMALIZATIONS, *IMAGES]
CASES: list[Case] = [*LAYERS, *ACTIVATIONS, *IN_IMAGES, *SEQUENCES, *LOSSES, *NETWORKS]
