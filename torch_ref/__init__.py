"""The same networks in PyTorch, and all that compares them with `manual`.

Read it in this order; each file imports only files above it:

    models       the networks as nn.Module
    twin         a by-hand module or optimizer -> its PyTorch twin, holding the same numbers
    parity       measure two results against each other: the report
    judge        who is closer to the truth: extended precision, central differences
    lockstep     train both side by side on the same batches
    data         real data sets, and the batches that both sides see
    experiments  the named experiments (PyTorch is not imported to know them)
    dashboard    what goes to TensorBoard, and where
    training     one experiment from its settings to what it shows
    cli          the command `backprop`
"""
