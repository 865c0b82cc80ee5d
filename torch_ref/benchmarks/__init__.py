"""How fast a step is by hand, beside PyTorch, in time and memory.

workloads    what is timed: networks, losses, optimizers and batches
contenders   who takes a step of them: this package, and PyTorch in several ways
worker       one contender in a process of its own, told when to run
race         all contenders of a workload, in turn, round by round
report       what came of it, as a table and as JSON
"""
