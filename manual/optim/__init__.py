"""Optimizers: how a gradient becomes a step.

In the formulas w is a parameter, g its gradient, η the learning rate, λ the weight decay, and t the
number of steps taken, this one included. All start from zero where nothing else is said. Everything
happens in place on flat arrays, see optimizer.py; in the code `s` has the settings of the group.

    optimizer   Optimizer: flat arrays, parameter groups, state
    clipping    clip_grad_norm_, clip_grad_value_
    sgd         SGD        against the gradient, with momentum
                ASGD       SGD, whose answer is the average of its weights
    adaptive    Adagrad    g over the root of all g² so far; Adadelta, RMSprop: of their mean
                Rprop      a step size for each weight; of g only the sign
    adam        Adam       g's running mean over the root of that of g²; AdamW, NAdam, RAdam, Adamax
    muon        Muon       the momentum of a matrix, with all singular values about 1
"""
