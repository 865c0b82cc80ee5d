"""The command `backprop`, one file a command. Nobody else imports these.

options     options that several commands have, and what their values may be
inputs      what --against, --args, --input and --loss name
theirs      someone's class made into an object, whatever its constructor takes
networks    what `train FILE.py:NAME` names
settings    what `train` was given becomes an experiment and its settings
step_rules  `check` of a step rule or a schedule: what its options mean there
list        name the experiments
train       train one of them
board       open TensorBoard
sample      text from a network that was trained on some
explain     write out one step, or one layer
check       check a backward pass of one's own
bundle      write a reference's pass as .npy files
bench       time a step by hand beside PyTorch's
"""
