"""The named experiments, a file each: whatever is here with an `EXPERIMENT` is one.

    worked_example   the article's 2-2-2 network, beside its printed figures
    xor              what a network without a nonlinearity cannot learn
    digits_mlp       real handwritten digits, by linear layers
    digits_cnn       by convolutions: what neighbours what counts
    digits_resnet    by residual blocks
    text_lstm        real text, character by character, by a recurrent network
    text_gpt         by attention
    microgpt         made-up words, by 4,192 numbers

None of them imports PyTorch before it is run, so that the command line can name and explain them
at once.
"""

import importlib
import pkgutil

from ..experiment import Experiment

_found: list[Experiment] = [
    importlib.import_module(f"{__name__}.{file.name}").EXPERIMENT
    for file in pkgutil.iter_modules(__path__)
]
EXPERIMENTS = {e.name: e for e in sorted(_found, key=lambda e: e.level)}
