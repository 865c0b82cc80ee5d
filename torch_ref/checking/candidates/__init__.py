"""Someone's backward pass, whatever its form, behind one pair of calls: forward, then backward.

base         what every form has in common
objects      an object with `forward` and `backward`, of `manual` or of anyone's
functions    two functions, as courses write them
torch_code   a `torch.autograd.Function`, or an `nn.Module`
choice       which of these it is
"""
