"""A well-known article's worked example, and one step of any small network in its style.

example           the network's numbers, the rules and the ways to treat its biases
scalars           it in the article's own form, one formula a line
matrices          a formula for each layer
modules           built of this package's layers
figures           every number that the article prints, and which run gives it
description       any small network, a batch and a learning rate
names             what its quantities are called
formulas          what the formulas of one step are made of
walkthrough       one step of it: the value of every quantity
layer_by_layer    the formulas in matrices, one for each layer
neuron_by_neuron  the formulas for each neuron and each weight
"""
