"""Check someone's own backward pass, against PyTorch or against its own forward pass.

layouts      where a parameter stands in someone's code
reference    what a check compares with, run by PyTorch itself
candidates/  someone's backward pass, whatever its form, behind one pair of calls
report       what a check found, as lines and as JSON
pieces       which pieces of a function a check has visited
settling     where a gradient differs from PyTorch's and is right
sarif        the same, for editors and CI
step_rules/  an optimizer's step, a learning rate schedule
comparing    both sides on the same numbers
habits       what is easily forgotten: memory shared, a second backward, float32
trajectory   weights after some steps
audit        which mistakes a check would have missed
sweep        the same on other shapes
check        the check, in its order
own/         code against its own forward pass
bundle       a pass as .npy files, for any language
"""

from .check import check
from .layouts import CandidateError
from .own import check_own

__all__ = ["CandidateError", "check", "check_own"]
