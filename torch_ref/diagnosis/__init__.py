"""Name the mistake in someone's gradient: which one, planted into PyTorch's own, gives its numbers.

operations     one operation of a forward pass, its values, its backward
tape           all of them, and the backward pass through them replayed
slips          slips of the pen in a formula
pages/         the formulas of gradients, as books write them
calls          the functions that a forward pass calls
regions        functions within a forward pass, each of several operations
recognized     those of them that are a function of PyTorch's, written out
formulas       recurrent layers and attention, written out
steps          what is done again at every time step
recording      a reference's forward pass -> its tape
samples        one input, its tapes, and the gradients handed in for it
kinds          a mistake in one operation's backward: its kind, its place, its remedy
parts          how large the parts are that a gradient is a sum of
planted/       the mistakes themselves, by what they are made with
side_by_side   several replays of a tape at once
catalogue      every mistake that can be planted at every operation
factors        a wrong factor, recognized
projection     which mistakes need no replay to be ruled out
evidence       the gradients handed in, and how closely a replay gives them
early_update   weights updated before they carried the error back
suspects       every mistake, factor and early update, with what it would give
telling_apart  several that fit: what each gives on another input
missed         which mistakes a test would not see
verdict        what a diagnosis says
forwards       the mistake in a forward pass
search         which of them it is
"""
