"""Build a network, train it by hand and in PyTorch, look, save, load it there and go on.

VS Code and Jupyter open this file as a notebook, a cell for each `# %%`.
"""

# %% [markdown]
# # A network of your own, on both sides
#
# Two half moons, 400 points, and the question which moon a point belongs to. `manual` has PyTorch's
# names; what PyTorch does not have is `network.backward(loss.backward())`, which is all of the
# backward pass.

# %% Build
import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.datasets import make_moons

import manual
from torch_ref import train_both

x, t = make_moons(400, noise=0.2, random_state=0)
generator = np.random.default_rng(0)  # the first weights; without one they are new every time
network = manual.Sequential(
    manual.Linear(2, 16, dtype=np.float64, generator=generator),
    manual.Tanh(),
    manual.Linear(16, 2, dtype=np.float64, generator=generator),
)
loss = manual.CrossEntropyLoss()
optimizer = manual.Adam(network.parameters(), lr=0.02)

# %% [markdown]
# The loop, with a few of the points, so that it is seen what a step is:

# %% A loop of your own
for _ in range(20):
    optimizer.zero_grad()
    value = loss(network(x[:100]), t[:100])
    network.backward(loss.backward())
    optimizer.step()
print(f"the loss on 100 points after 20 steps: {value:.4f}")

# %% [markdown]
# The same, and its twin in PyTorch on the same batches, compared at every step. A fifth of the
# points is held out. What is written goes to a directory under `runs`: the curves, for TensorBoard
# and as CSV, and the weights.

# %% Train
run = train_both(network, loss, optimizer, (x, t), steps=300, csv=True)
print(run.agrees, run.scores())

# %% [markdown]
# A problem of two inputs has its plane drawn: the border dashed by hand, broad by autograd.

# %% Look
figure = run.pictures()["Decision boundary"]
figure.savefig(run.path / "boundary.png")
print((run.path / "curves.csv").read_text().splitlines()[:3])

# %% [markdown]
# The weights were saved under PyTorch's names. PyTorch's own `Sequential` takes them as they are.

# %% Save, and load into PyTorch
in_torch = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
in_torch.double().load_state_dict(load_file(run.path / "weights.safetensors"))

# %% [markdown]
# Go on there, and by hand from the same weights; each side has a new optimizer.

# %% Go on
x_torch, t_torch = torch.from_numpy(x), torch.from_numpy(t)
loss_in_torch = torch.nn.CrossEntropyLoss()
optimizer_in_torch = torch.optim.SGD(in_torch.parameters(), lr=0.1, momentum=0.9)
for _ in range(50):
    optimizer_in_torch.zero_grad()
    loss_in_torch(in_torch(x_torch), t_torch).backward()
    optimizer_in_torch.step()

optimizer_by_hand = manual.SGD(network.parameters(), lr=0.1, momentum=0.9)
for _ in range(50):
    optimizer_by_hand.zero_grad()
    loss(network(x), t)
    network.backward(loss.backward())
    optimizer_by_hand.step()

# %% Compare
there = in_torch.state_dict()
apart = max(
    float(np.abs(weights - there[name].numpy()).max())
    for name, weights in network.state_dict().items()
)
print(f"50 steps later the weights are {apart:.0e} apart")
