"""What the symbols in the docstrings stand for: numbers, and what the code makes of them.

No formula stands here: a symbol is an input, a setting, or something that the code has computed.
"""

from . import activations, layers, losses, optimizers, schedules, sequences

CASES = [
    *activations.CASES,
    *layers.CASES,
    *losses.CASES,
    *optimizers.CASES,
    *sequences.CASES,
    *schedules.CASES,
]
TABLES = {"manual.layers.activations": activations.TABLE, "manual.losses.pairwise": losses.TABLE}
