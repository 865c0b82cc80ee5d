"""The same networks in PyTorch, and all that compares with them: training, and your own code.

Read it in this order; each file imports only files above it:

    models       the networks as nn.Module
    twin         a by-hand module or optimizer -> its PyTorch twin, holding the same numbers
    parity       measure two results against each other: the report
    judge        who is closer to the truth: extended precision, central differences
    lockstep     train both side by side on the same batches
    data         real data sets, and the batches that both sides see
    experiments  the named experiments (PyTorch is not imported to know them)
    pictures     the dashboard's figures
    dashboard    what goes to TensorBoard, and where
    training     one experiment from its settings to what it shows

Name the mistake in someone's gradient:

    tape                 the operations of one forward pass, and their backward pass replayed
    recording            a reference's forward pass -> its tape
    mistakes             a mistake in one operation's backward: its kind, its place, its remedy
    gradient_mistakes    made with a gradient on its way: an axis, a sum, a gate
    derivative_mistakes  made with a local derivative: left out, twice, its diagonal only
    argument_mistakes    made with what it is taken at: another value, an old one, a new weight
    catalogue            every mistake that can be planted at every operation
    samples              one input, its tapes, and the gradients handed in for it
    factors              a wrong factor, recognized
    projection           which mistakes need no replay to be ruled out
    verdict              what a diagnosis says
    diagnosis            the search

Check someone's code:

    layouts      where a parameter stands in someone's code
    candidates   someone's backward pass, whatever its form, behind one pair of calls
    reference    what it is compared with, run by PyTorch itself
    report       what a check found, as lines and as JSON
    checking     the check
    loading      from words on a command line to classes, inputs and losses
    bundle       a pass as .npy files, for any language

Show the mathematics:

    explain      one training step beside autograd, as rows; on the terminal
    mathml       formulas, numbers and matrices as MathML
    drawing      a network as SVG
    page         the walkthrough as one HTML page

    commands     `backprop check`, `bundle` and `explain`
    cli          the command `backprop`
    plugin       the pytest fixture `parity`
"""
