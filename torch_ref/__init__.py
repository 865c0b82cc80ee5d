"""The same networks in PyTorch, and all that compares with them: training, and your own code.

Read it in this order; what stands below sees only what stands above:

    models/        the networks and losses of `manual` that PyTorch does not have
    twin           a by-hand module or optimizer -> its PyTorch twin, and the way back
    safe_files     what others wrote, read as data; files written whole or not at all
    output         what is printed, wherever it goes
    parity/        do the two sides agree, and if not, which of them is right
    diagnosis/     name the mistake in someone's gradient
    training/      both sides on the same batches: experiments, dashboard
    checking/      someone's own backward pass against PyTorch
    benchmarks/    how fast a step is by hand, beside PyTorch
    explaining/    one step written out beside autograd, on the terminal and as a page
    commands/      one file a command
    cli            the command `backprop`
    pytest_plugin  the fixture `parity`

What there is to call from here: `train_both` trains a network of one's own on both sides, `twin_of`
and `by_hand_of` make one side of the other.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .training.both import train_both
    from .twin import by_hand_of, twin_of

__all__ = ["by_hand_of", "train_both", "twin_of"]


def __getattr__(name: str) -> Any:
    """Only what is asked for is loaded: `backprop --help` does without PyTorch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = "training.both" if name == "train_both" else "twin"
    return getattr(importlib.import_module(f"{__name__}.{place}"), name)
