"""Name the mistake in someone's gradient.

tape         the operations of one forward pass, and their backward pass replayed
recording    a reference's forward pass -> its tape
samples      one input, its tapes, and the gradients handed in for it
kinds        a mistake in one operation's backward: its kind, its place, its remedy
planted      the mistakes themselves, by what they are made with
catalogue    every mistake that can be planted at every operation
factors      a wrong factor, recognized
projection   which mistakes need no replay to be ruled out
verdict      what a diagnosis says
search       which of them gives the numbers handed in
"""
