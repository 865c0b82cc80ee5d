"""The formulas of docstrings: read, computed, and held to the code.

notation      how formulas are written, and how they are read
meaning       what they come to
docstrings    where they stand, and what each is held to
"""
