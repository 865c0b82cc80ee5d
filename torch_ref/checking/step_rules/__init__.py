"""Check someone's own step rule, or schedule, against PyTorch's.

problem     what a rule is tried on: tensors, and gradients for each step
formulas    the rules as formulas with switches
mistakes    what is turned in them to plant each mistake
names       what the arguments of someone's rule are
forms       someone's rule, whatever its form, and the ways to call it
calling     the steps taken so, the weights and what is kept between steps
reference   PyTorch's own rule, and how far rounding may take a right one from it
naming      which mistake gives someone's weights
schedules   the check of a learning rate schedule
check       the check of a step rule
"""
