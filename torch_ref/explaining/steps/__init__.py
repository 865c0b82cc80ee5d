"""One step of a layer followed through with its numbers, beside what the layer and autograd have.

parts          formulas that are written and computed at once; a step is made of them
convolution    one window of a convolution, and of its transpose
pooling        one window of a pooling
normalization  one group of numbers normalized
recurrent      one step of an LSTM, of a GRU, of a plain recurrence
attention      one query
kinds          which step there is of which class
text           a step in plain text
"""
