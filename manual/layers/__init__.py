"""Layers: what a network is built of.

linear       Linear, Bilinear, Identity, Flatten, Unflatten
activations  functions applied to each element, all derivatives in one table
softmax      activations that share out one axis; GLU
embedding    rows of a table, looked up by number
dropout      leaving out a random part
"""
