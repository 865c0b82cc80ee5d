"""Schedules: how the learning rate η changes from step to step.

Each says how ηₜ follows from ηₜ₋₁, so that several can act on one optimizer one after the other,
and most say what it is from b alone, where they begin anew. b is the η that the optimizer was made
with.

    schedule    LRScheduler, the base of all
    stepwise    StepLR                       times γ every k steps
                MultiStepLR                  times γ at each milestone
                ConstantLR                   a part of b, for some steps
    decay       LinearLR                     from one part of b to another along a line
                ExponentialLR                times γ every step
                PolynomialLR                 down to 0, by a power of the steps that are left
                LambdaLR, MultiplicativeLR   by a function of t
    cosine      CosineAnnealingLR            half a cosine wave down, and up again
                CosineAnnealingWarmRestarts  down again and again, each time longer
    plateau     ReduceLROnPlateau            cut whenever a metric has stopped improving
    cyclic      CyclicLR, OneCycleLR         up and down, the momentum the other way round
    combined    SequentialLR                 one after the other
                ChainedScheduler             all at once
"""
