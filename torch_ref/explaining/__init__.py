"""One training step written out beside autograd, on the terminal and as a page.

quantities   a quantity's address and colour; what is given
description  a network read from a file, written to one, and changed
code_lines   the lines of code that compute what a formula says
rows         one step by hand and by autograd: a row for each quantity
terminal     the rows as plain text
examples     a small example of every class
example      the example on both sides
over_steps   two steps of an optimizer, a schedule's learning rates
steps/       one step of a layer followed through with its numbers
derivation   a class's derivation, its source, its twin, its example and step
mathml       formulas, numbers and matrices as MathML
drawing      a network as SVG
over_rounds  the curve of its error over many rounds, and some of the rounds
function_curve  a function of one number and its derivative as a curve
views        what a page shows of a quantity; templates/, which show it
page         all of a network's step as one HTML page
class_page   a class as one HTML page
"""
