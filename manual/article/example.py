"""The article's worked example: a 2-2-2 sigmoid network, one round of backpropagation, then 10,000.

    i1 ──w1──▶ h1 ──w5──▶ o1        i1 = .05   i2 = .10   targets .01 and .99
       ╲w3 ╱w2    ╲w7 ╱w6           w1 … w4 = .15 .20 .25 .30   b1 = .35 for both hidden neurons
       ╱  ╲       ╱  ╲              w5 … w8 = .40 .45 .50 .55   b2 = .60 for both outputs
    i2 ──w4──▶ h2 ──w8──▶ o2        E = ½ Σ (target − out)²     learning rate .5

Three forms of it stand beside this file, from the article's own to this project's: scalars.py, one
formula a line; matrices.py, a formula for each layer; modules.py, built of this package's parts.
They give the same numbers. Each can be trained in several ways, since what the article prints comes
from more than one of them:

    rule "simultaneous": all weights are updated from gradients taken at one point: gradient descent
    rule "early":        w5 … w8 are updated first, and the error is carried back through their new
                         values. That is a slip, not a gradient of anything.
    biases "fixed":      as the article computes
    biases "trained":    as the article says, one bias for each neuron
    biases "shared":     trained, with one bias for each layer, as the article draws

Source: M. Mazur, "A Step by Step Backpropagation Example", 2015.
"""

RULES = ("simultaneous", "early")
BIASES = ("fixed", "trained", "shared")
INPUTS, TARGETS = (0.05, 0.10), (0.01, 0.99)
HIDDEN_WEIGHTS, HIDDEN_BIAS = ((0.15, 0.20), (0.25, 0.30)), 0.35
OUTPUT_WEIGHTS, OUTPUT_BIAS = ((0.40, 0.45), (0.50, 0.55)), 0.60
LEARNING_RATE = 0.5
Round = dict[str, float]
