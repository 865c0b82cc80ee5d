"""Backward passes as people write them, each with one real mistake from the field.

Reimplemented from their descriptions in courses, forums and bug reports. `bug` names the mistake
that is made; without it every one of them is right.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.grad

Array = np.ndarray


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


class Linear:
    """Course style: W is (D, M)."""

    def __init__(self, n: int, m: int, bug: str = "") -> None:
        self.W, self.b, self.bug = np.zeros((n, m)), np.zeros(m), bug

    def forward(self, x: Array) -> Array:
        if not (self.bug == "stale" and hasattr(self, "x") and self.x.shape == x.shape):
            self.x: Array = x
        return x @ self.W + self.b

    def backward(self, dy: Array) -> Array:
        if self.bug == "mutates":
            dy *= 2
            dy /= 2
            dy += 0.5
            dy = dy - 0.5
        self.dW = self.x.T @ dy
        self.db = dy.sum(axis=0)
        if self.bug == "bias over all axes":
            self.db = np.full_like(self.b, dy.sum())
        if self.bug == "bias averaged":
            self.db = dy.mean(axis=0)
        if self.bug == "1/m twice":
            self.dW = self.dW / len(dy)
            self.db = self.db / len(dy)
        if self.bug == "shares":
            self.db = self.b
            self.db[...] = dy.sum(axis=0)
        return dy @ self.W.T


class Network:
    """Three layers of sigmoids, written out."""

    def __init__(self, sizes: tuple[int, ...] = (3, 5, 4, 2), bug: str = "") -> None:
        self.bug, self.layers = bug, len(sizes) - 1
        self.params: dict[str, Array] = {}
        for i, (n, m) in enumerate(pairwise(sizes), 1):
            self.params |= {f"W{i}": np.zeros((m, n)), f"b{i}": np.zeros(m)}

    def forward(self, x: Array) -> Array:
        self.a = [x]
        for i in range(1, self.layers + 1):
            z = self.a[-1] @ self.params[f"W{i}"].T + self.params[f"b{i}"]
            self.a.append(sigmoid(z))
        return self.a[-1]

    def backward(self, d: Array) -> tuple[Array, dict[str, Array]]:
        grads = {}
        for i in range(self.layers, 0, -1):
            a = self.a[i]
            if self.bug == "derivative forgotten" and i == 2:
                dz = d
            elif self.bug == "derivative of the output" and i == 2:
                s = sigmoid(a)
                dz = d * s * (1 - s)
            elif self.bug == "activation for derivative" and i == 2:
                dz = d * a
            elif self.bug == "activation on the gradient" and i == 2:
                dz = sigmoid(d)
            else:
                dz = d * a * (1 - a)
            grads[f"W{i}"] = dz.T @ self.a[i - 1]
            grads[f"b{i}"] = dz.sum(axis=0)
            W = self.params[f"W{i}"]
            if self.bug == "early update":
                W = W - 0.3 * grads[f"W{i}"]
            d = dz @ W
            if self.bug == "two mistakes" and i == 3:
                d = -d
            if self.bug == "two mistakes" and i == 1:
                grads["b1"] = dz.mean(axis=0)
        return d, grads


class Softmax:
    def __init__(self, bug: str = "") -> None:
        self.bug = bug

    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y.copy()

    def backward(self, dy: Array) -> Array:
        if self.bug == "identity":
            return dy.copy()
        if self.bug == "diagonal only":
            return dy * self.y * (1 - self.y)
        return self.y * (dy - (dy * self.y).sum(axis=-1, keepdims=True))


class Tanh:
    """With sech² for tanh′, which is the same."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.tanh(x)

    def backward(self, dy: Array) -> Array:
        return dy / np.cosh(self.x) ** 2


class Dropout:
    def __init__(self, p: float = 0.4, bug: str = "") -> None:
        self.p, self.bug, self.generator = p, bug, np.random.default_rng(0)

    def forward(self, x: Array) -> Array:
        self.mask = (self.generator.random(x.shape) > self.p) / x.dtype.type(1 - self.p)
        self.mask = self.mask.astype(x.dtype)
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        if self.bug == "mask forgotten":
            return dy.copy()
        if self.bug == "scale forgotten":
            return dy * (self.mask > 0)
        return dy * self.mask


class MaxPool:
    """3×3 windows in steps of 2: they overlap."""

    def __init__(self, bug: str = "") -> None:
        self.bug = bug

    def forward(self, x: Array) -> Array:
        self.x = x
        rows, columns = ((size - 3) // 2 + 1 for size in x.shape[2:])
        y = np.zeros((*x.shape[:2], rows, columns), x.dtype)
        for i in range(rows):
            for j in range(columns):
                y[:, :, i, j] = x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max(axis=(2, 3))
        self.y = y
        return y.copy()

    def backward(self, dy: Array) -> Array:
        dx = np.zeros_like(self.x)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                place = np.s_[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                largest = self.x[place] == self.y[:, :, i, j, None, None]
                given = largest * dy[:, :, i, j, None, None]
                dx[place] = np.where(largest, given, dx[place]) if self.bug else dx[place] + given
        return dx


class BatchNorm:
    """The mean's path has two parts; the one through the variance is always zero."""

    def __init__(self, n: int, bug: str = "") -> None:
        self.gamma, self.beta, self.bug = np.ones(n), np.zeros(n), bug

    def forward(self, x: Array) -> Array:
        self.mean, self.var = x.mean(axis=0), x.var(axis=0)
        self.std = np.sqrt(self.var + x.dtype.type(1e-5))
        self.x, self.xhat = x, (x - self.mean) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dy: Array) -> Array:
        self.dgamma, self.dbeta = (dy * self.xhat).sum(axis=0), dy.sum(axis=0)
        g, n = dy * self.gamma, dy.dtype.type(len(dy))
        centred = self.x - self.mean
        dvar = (g * centred).sum(axis=0) * -(self.std**-3) / 2
        dmean = -(g / self.std).sum(axis=0)
        if self.bug != "zero term left out":
            dmean = dmean + dvar * -2 * centred.sum(axis=0) / n
        if self.bug == "mean's path forgotten":
            dmean = 0 * dmean
        if self.bug == "variance's path forgotten":
            dvar = 0 * dvar
        return g / self.std + dvar * 2 * centred / n + dmean / n


class LSTM:
    """Course style: gates in the order i, f, o, g, one bias, no last state returned."""

    def __init__(self, n: int, hidden: int, bug: str = "") -> None:
        self.Wx, self.Wh = np.zeros((n, 4 * hidden)), np.zeros((hidden, 4 * hidden))
        self.b, self.bug = np.zeros(4 * hidden), bug

    def forward(self, x: Array) -> Array:
        h = c = np.zeros((x.shape[1], len(self.Wh)), x.dtype)
        self.x, self.saved, outputs = x, [], []
        for xt in x:
            i, f, o, g = np.split(xt @ self.Wx + h @ self.Wh + self.b, 4, axis=1)
            i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
            before, c_before = h, c
            c = f * c + i * g
            h = o * np.tanh(c)
            self.saved.append((before, c_before, i, f, o, g, c, h))
            outputs.append(h)
        return np.stack(outputs)

    def backward(self, dy: Array) -> Array:
        dx = np.zeros_like(self.x)
        self.dWx, self.dWh, self.db = (np.zeros_like(p) for p in (self.Wx, self.Wh, self.b))
        dh: Any = 0
        dc: Any = 0
        for t in reversed(range(len(dy))):
            before, c_before, i, f, o, g, c, h = self.saved[t]
            dh = dh + dy[t]
            dc = dh * o * (1 - np.tanh(c) ** 2) + (0 if self.bug == "cell carry" else dc)
            gates = [dc * g * i * (1 - i), dc * c_before * f * (1 - f)]
            gates += [dh * np.tanh(c) * o * (1 - o), dc * i * (1 - g * g)]
            dz = np.concatenate(gates, axis=1)
            self.dWx += self.x[t].T @ dz
            self.dWh += (h if self.bug == "next hidden state" else before).T @ dz
            of_bias = [gates[0], gates[1], gates[0], gates[3]] if self.bug == "bias gate" else gates
            self.db += np.concatenate(of_bias, axis=1).sum(axis=0)
            dx[t] = dz @ self.Wx.T
            dh, dc = dz @ self.Wh.T, dc * f
        return dx


class MeanSquare:
    """A loss whose backward is handed nothing."""

    def __init__(self, bug: str = "") -> None:
        self.bug = bug

    def forward(self, x: Array, t: Array) -> Any:
        self.difference = x - t
        return np.asarray((self.difference**2).mean())

    def backward(self) -> Array:
        d = self.difference
        return 2 * d / d.size / (d.size if self.bug == "1/m twice" else 1)


class Convolution(torch.autograd.Function):
    """The input's gradient by a convolution whose kernel is not flipped."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return torch.nn.functional.conv2d(x, weight)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, weight = ctx.saved_tensors
        full = torch.nn.functional.pad(g, (2, 2, 1, 1))  # for a 2×3 kernel
        dx = torch.nn.functional.conv2d(full, weight.transpose(0, 1))
        return dx, torch.nn.grad.conv2d_weight(x, weight.shape, g)


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout: Array, cache: Any) -> tuple[Array, ...]:
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def affine_backward_averaged(dout: Array, cache: Any) -> tuple[Array, ...]:
    dx, dw, db = affine_backward(dout, cache)
    return dx, dw / len(dout), db
