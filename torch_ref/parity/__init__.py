"""Do the two sides agree, and if not, which of them is right?

tolerance    how far rounding alone may take two right results apart
one_pass     one forward and backward pass of either side, one set of names for both
distance     how far apart they are: the report
judge        which is closer to the truth: extended precision, central differences
"""
