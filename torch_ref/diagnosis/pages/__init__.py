"""How the gradients of PyTorch's functions are written in books: what a slip of the pen is made in.

Each page has its function's name and arguments, and gives for some of them the formula of the
gradient, g being the upstream one and y the result.

page                what a page is, and what several are made with
activations         functions of one value, element by element
layers              functions along an axis, and of two values
losses_of_elements  losses with one number for every element
losses_of_rows      losses with one number for every sample
"""

from . import activations, layers, losses_of_elements, losses_of_rows
from .page import PAGES, Page

__all__ = ["PAGES", "Page", "activations", "layers", "losses_of_elements", "losses_of_rows"]
