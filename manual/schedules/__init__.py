"""Schedules: how the learning rate η changes from step to step.

Each says how ηₜ follows from ηₜ₋₁, so that several can act on one optimizer one after the other,
and most say what it is from b alone, where they begin anew. b is the η that the optimizer was made
with.

    schedule    LRScheduler, the base of all
    stepwise    StepLR                       b γ^⌊t/k⌋
                MultiStepLR                  b γ^(milestones passed)
                ConstantLR                   b f, from step T on b
    decay       LinearLR                     b times a line from f₀ to f₁ in T steps
                ExponentialLR                b γᵗ
                PolynomialLR                 b (1 − t/T)^p, from step T on 0
                LambdaLR, MultiplicativeLR   b λ(t), ηₜ₋₁ λ(t)
    cosine      CosineAnnealingLR            m + (b − m)(1 + cos(π t/T))/2
                CosineAnnealingWarmRestarts  half a wave again and again, in T steps, then T·k, …
    plateau     ReduceLROnPlateau            η f whenever a metric has stopped improving
    cyclic      CyclicLR, OneCycleLR         up and down, the momentum the other way round
    combined    SequentialLR                 one after the other
                ChainedScheduler             all at once
"""
