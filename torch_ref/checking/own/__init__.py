"""Someone's own forward pass as the reference of their backward pass.

idioms       a sigmoid or a softmax written out, recognized
arrays       the array that stands in for NumPy's, a tensor inside
lacking      functions of NumPy's that PyTorch's own interface of it lacks
names        what stands in for NumPy's functions
swapping     someone's modules with stand-ins in NumPy's place
state        what someone's code holds, by path, and copies of it
words        what people call methods, arguments, weights
handed       the arguments of a forward pass, whatever their form
programs     someone's code as a forward and a backward
objects      an object's methods
functions    functions, as courses write them
losses       the loss behind a network whose forward ends before it
engines      scalar nodes
trained      gradients that show in updates only
scripts      what to make of a bare loop
readings     which of these it may be
tracing      its forward pass on a copy, really run or traced
matching     which numbers are the gradient of which array
study        what a program holds and gives, found out by running it
sides        the traced forward pass, and the code as it is
differences  slopes of the real forward pass, by differences
torch_code   PyTorch code, with its own backward and with autograd's
against      the same with a reference's weights
conventions  what may be meant as it is
fitting      which usual loss a network's backward is of
check        the check
"""

from .check import check_both, check_own

__all__ = ["check_both", "check_own"]
