"""The same networks in PyTorch, and all that compares with them: training, and your own code.

Read it in this order; what stands below sees only what stands above:

    models/        the networks and losses of `manual` that PyTorch does not have
    twin           a by-hand module or optimizer -> its PyTorch twin, holding the same numbers
    safe_files     what others wrote, read as data; files written whole or not at all
    parity/        do the two sides agree, and if not, which of them is right
    diagnosis/     name the mistake in someone's gradient
    training/      both sides on the same batches: experiments, dashboard
    checking/      someone's own backward pass against PyTorch
    benchmarks/    how fast a step is by hand, beside PyTorch
    explaining/    one step written out beside autograd, on the terminal and as a page
    commands/      one file a command
    cli            the command `backprop`
    pytest_plugin  the fixture `parity`
"""
