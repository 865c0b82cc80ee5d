"""Check someone's own backward pass against PyTorch.

layouts      where a parameter stands in someone's code
candidates   someone's backward pass, whatever its form, behind one pair of calls
reference    what it is compared with, run by PyTorch itself
report       what a check found, as lines and as JSON
check        the check
bundle       a pass as .npy files, for any language
"""

from .check import check
from .layouts import CandidateError

__all__ = ["CandidateError", "check"]
