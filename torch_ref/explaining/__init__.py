"""One training step written out beside autograd, on the terminal and as a page.

description  a network read from a file
rows         one step by hand and by autograd: a row for each quantity
terminal     the rows as plain text
examples     a small example of every class
example      the example on both sides
steps/       one step of a layer followed through with its numbers
derivation   a class's derivation, its source, its twin, its example and step
mathml       formulas, numbers and matrices as MathML
drawing      a network as SVG
page         all of a network's step as one HTML page
class_page   a class as one HTML page
"""
