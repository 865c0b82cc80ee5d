"""Losses: how wrong the outputs are, as one number. Their backward starts the chain.

`backward()` returns what the network's `backward` takes, the gradient of `input`; a loss that takes
several outputs of a network returns a tuple, one gradient for each. A target has a gradient too
where another network made it: `backward(with_target=True)` returns that one as well, in the inputs'
order.

    loss        Loss, the base of all: the reduction, and the checks that they share
    pairwise    number against number: MSELoss, L1Loss, HuberLoss, BCELoss, KLDivLoss …
    classes     scores against classes: CrossEntropyLoss, NLLLoss
    margins     what asks for a distance: hinge, ranking, triplet …
    ctc         CTCLoss: a label sequence of unknown timing
"""
