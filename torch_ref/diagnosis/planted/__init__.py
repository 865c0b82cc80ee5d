"""Mistakes to plant into a backward pass.

gradients       made with a gradient on its way: an axis, a sum, a gate
spans           made with a function of several operations, or one, as a whole
derivatives     made with a local derivative: left out, twice, its diagonal only
windows         made with windows that slide over an input
normalizations  made with a normalization's sums
arguments       made with what it is taken at: another value, an old one, a new weight
masks           made with a softmax's mask
operands        made with a product's or a lookup's operands: the gradient in it, its indices
slopes          made with a derivative for which another formula stands
jacobians       made with a Jacobian for which another one stands
misprints       made in the formula of a gradient: any slip of the pen
"""
