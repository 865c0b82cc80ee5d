"""The one table of parity cases: every check in this directory runs over all of them.

    draws         what inputs can be drawn
    case          what a case is, and how its module is made on both sides
    layers, activations, losses, networks
                  the table: a new case is one more line

Options of a class multiply out: `over` gives a case for each combination of them.
"""

from .activations import ACTIVATIONS
from .case import Case
from .layers import LAYERS
from .losses import LOSSES
from .networks import NETWORKS

__all__ = ["CASES", "Case"]

CASES: list[Case] = [*LAYERS, *ACTIVATIONS, *LOSSES, *NETWORKS]
