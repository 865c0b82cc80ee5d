"""Optimizers: how a gradient becomes a step.

In the formulas w is a parameter, g its gradient, η the learning rate, λ the weight decay, and t the
number of steps taken, this one included. All start from zero where nothing else is said. Everything
happens in place on flat arrays, see optimizer.py; in the code `s` has the settings of the group.

    optimizer   Optimizer: flat arrays, parameter groups, state
    clipping    clip_grad_norm_, clip_grad_value_
    sgd         SGD        w ← w − η v, v the momentum
                ASGD       SGD, whose answer is the average of its weights
    adaptive    Adagrad    w ← w − η g/(√s + ε), s the sum of g²; Adadelta, RMSprop: a running mean
                Rprop      w ← w − step · sign g
    adam        Adam       w ← w − η m̂/(√v̂ + ε); AdamW, NAdam, RAdam, Adamax
    muon        Muon       w ← w − η O, O the momentum, all its singular values about 1
"""
