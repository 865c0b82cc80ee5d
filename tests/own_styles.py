"""Forward and backward passes in the forms that people write them, all of them right."""

import math
from typing import Any

import numpy as np
import torch
from numpy import dot, exp

F = Any  # arrays


def normal(*shape: int, seed: int = 0) -> F:
    return np.random.default_rng(seed).normal(size=shape)


# ---- functions with a cache


def affine_forward(x: F, w: F, b: F) -> Any:
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)


def affine_backward(dout: F, cache: Any) -> Any:
    x, w, _ = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    return dx, dw, np.sum(dout, axis=0)


def batchnorm_forward(x: F, gamma: F, beta: F) -> Any:
    mu, var = np.mean(x, axis=0), np.var(x, axis=0)
    xhat = (x - mu) / np.sqrt(var + 1e-5)
    return gamma * xhat + beta, (xhat, gamma, var)


def batchnorm_backward(dout: F, cache: Any) -> Any:
    xhat, gamma, var = cache
    n = dout.shape[0]
    dgamma, dbeta = np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)
    dx = gamma / np.sqrt(var + 1e-5) / n * (n * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def conv_forward_naive(x: F, w: F, b: F) -> Any:
    n, _, h, width = x.shape
    f, _, hh, ww = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "constant")
    out = np.zeros((n, f, h + 3 - hh, width + 3 - ww))
    for i in range(n):
        for k in range(f):
            for r in range(out.shape[2]):
                for c in range(out.shape[3]):
                    out[i, k, r, c] = np.sum(padded[i, :, r : r + hh, c : c + ww] * w[k]) + b[k]
    return out, (x, w, b)


def conv_backward_naive(dout: F, cache: Any) -> Any:
    x, w, b = cache
    _, _, hh, ww = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "constant")
    dpadded, dw, db = np.zeros_like(padded), np.zeros_like(w), np.zeros_like(b)
    for i in range(dout.shape[0]):
        for k in range(dout.shape[1]):
            for r in range(dout.shape[2]):
                for c in range(dout.shape[3]):
                    g = dout[i, k, r, c]
                    db[k] += g
                    dw[k] += padded[i, :, r : r + hh, c : c + ww] * g
                    dpadded[i, :, r : r + hh, c : c + ww] += w[k] * g
    return dpadded[:, :, 1:-1, 1:-1], dw, db


def rnn_forward(x: F, h0: F, wx: F, wh: F, b: F) -> Any:
    n, t, _ = x.shape
    h = np.zeros((n, t, h0.shape[1]))
    prev = h0
    for step in range(t):
        h[:, step, :] = np.tanh(x[:, step, :] @ wx + prev @ wh + b)
        prev = h[:, step, :]
    return h, (x, h0, wx, wh, h)


def rnn_backward(dh: F, cache: Any) -> Any:
    x, h0, wx, wh, h = cache
    dx, dprev = np.zeros_like(x), np.zeros_like(h0)
    dwx, dwh, db = np.zeros_like(wx), np.zeros_like(wh), np.zeros(wh.shape[1])
    for step in reversed(range(x.shape[1])):
        da = (dh[:, step] + dprev) * (1 - h[:, step] ** 2)
        before = h[:, step - 1] if step else h0
        dx[:, step], dprev = da @ wx.T, da @ wh.T
        dwx, dwh, db = dwx + x[:, step].T @ da, dwh + before.T @ da, db + da.sum(0)
    return dx, dprev, dwx, dwh, db


def linear_activation_forward(A_prev: F, W: F, b: F) -> Any:
    Z = np.dot(W, A_prev) + b
    return np.maximum(0, Z), (A_prev, W, Z)


def linear_activation_backward(dA: F, cache: Any) -> Any:
    A_prev, W, Z = cache
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return {"dA_prev": W.T @ dZ, "dW": dZ @ A_prev.T, "db": np.sum(dZ, axis=1, keepdims=True)}


# ---- a loss with its gradient, or a pair that takes the same


def softmax_loss(x: F, y: F) -> Any:
    shifted = x - np.max(x, axis=1, keepdims=True)
    probs = np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True)
    n = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(n), y])) / n
    dx = probs.copy()
    dx[np.arange(n), y] -= 1
    return loss, dx / n


def mse(predicted: F, actual: F) -> Any:
    return np.mean((predicted - actual) ** 2)


def mse_prime(predicted: F, actual: F) -> Any:
    return 2 * (predicted - actual) / predicted.size


# ---- layers that keep things in attributes


class LayerDense:
    def __init__(self, n: int, m: int) -> None:
        self.weights, self.biases = (
            0.01 * np.random.default_rng(0).normal(size=(n, m)),
            np.zeros((1, m)),
        )

    def forward(self, inputs: F) -> None:
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues: F) -> None:
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class ActivationReLU:
    def forward(self, inputs: F) -> None:
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues: F) -> None:
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class CrossEntropy:
    def forward(self, y_pred: F, y_true: F) -> F:
        clipped = np.clip(y_pred, 1e-7, 1 - 1e-7)
        return np.mean(-np.log(clipped[range(len(y_pred)), y_true]))

    def backward(self, dvalues: F, y_true: F) -> None:
        onehot = np.eye(dvalues.shape[1])[y_true]
        self.dinputs = -onehot / dvalues / len(dvalues)


class CrossEntropyOfOutput(CrossEntropy):
    """A loss whose backward is handed what its forward was, under the same names."""

    def backward(self, y_pred: F, y_true: F) -> None:
        super().backward(y_pred, y_true)


class Updating:
    """backward(grad, learning_rate) updates at once."""

    def __init__(self, n: int, m: int) -> None:
        generator = np.random.default_rng(1)
        self.weights, self.bias = generator.normal(size=(m, n)), generator.normal(size=(m, 1))

    def forward(self, input: F) -> F:
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient: F, learning_rate: float) -> F:
        weights_step = np.dot(output_gradient, self.input.T)
        back = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_step
        self.bias = self.bias - learning_rate * output_gradient.sum(axis=1, keepdims=True)
        return back


class InDicts:
    """params and grads, made at the first forward."""

    def __init__(self, m: int) -> None:
        self.m = m
        self.params: dict[str, F] = {}
        self.grads: dict[str, F] = {}

    def forward(self, X: F) -> F:
        if not self.params:
            generator = np.random.default_rng(2)
            self.params["W"] = generator.normal(size=(X.shape[1], self.m))
            self.params["b"] = np.zeros(self.m)
        self.X = X
        return self.X @ self.params["W"] + self.params["b"]

    def backward(self, dLdy: F) -> F:
        self.grads["W"], self.grads["b"] = self.X.T @ dLdy, dLdy.sum(axis=0)
        return dLdy @ self.params["W"].T


class Parameter:
    def __init__(self, value: F) -> None:
        self.value, self.grad = value, np.zeros_like(value)


class WithParameters:
    """Objects with a value and a grad that adds up."""

    def __init__(self, n: int, m: int) -> None:
        self.W = Parameter(np.random.default_rng(3).normal(size=(n, m)))
        self.B = Parameter(np.zeros((1, m)))

    def forward(self, x: F) -> F:
        self.x = x
        return np.tanh(x @ self.W.value + self.B.value)

    def backward(self, d: F) -> F:
        y = np.tanh(self.x @ self.W.value + self.B.value)
        d = d * (1 - y * y)
        self.W.grad += self.x.T @ d
        self.B.grad += d.sum(axis=0, keepdims=True)
        return d @ self.W.value.T


class Affine:
    """Arrays are handed in, gradients are named dLdW."""

    def __init__(self) -> None:
        generator = np.random.default_rng(4)
        self.W, self.b = generator.normal(size=(3, 4)), generator.normal(size=4)

    def __call__(self, x: F) -> F:
        self.x = x
        return 1 / (1 + exp(-(dot(x, self.W) + self.b)))

    def backward(self, g: F) -> F:
        y = self(self.x)
        g = g * y * (1 - y)
        self.dLdW, self.dLdb = self.x.T @ g, np.add.reduce(g, axis=0)
        return g @ self.W.T


class Sequential:
    """Layers in a list; backward returns nothing."""

    def __init__(self) -> None:
        self.layers: list[Any] = [LayerDense(3, 5), ActivationReLU(), LayerDense(5, 2)]

    def forward(self, x: F) -> F:
        for layer in self.layers:
            layer.forward(x)
            x = layer.output
        return x

    def backward(self, d: F) -> None:
        for layer in reversed(self.layers):
            layer.backward(d)
            d = layer.dinputs


class Nabla:
    """Lists of weights and biases, a column a sample; (nabla_b, nabla_w) is returned."""

    def __init__(self) -> None:
        generator = np.random.default_rng(5)
        self.biases = [generator.normal(size=(m, 1)) for m in (4, 2)]
        self.weights = [generator.normal(size=(m, n)) for n, m in ((3, 4), (4, 2))]

    def forward(self, a: F) -> F:
        self.activations = [a]
        for b, w in zip(self.biases, self.weights, strict=True):
            a = 1.0 / (1.0 + np.exp(-(np.dot(w, a) + b)))
            self.activations.append(a)
        return a

    def backward(self, delta: F) -> Any:
        nabla_b, nabla_w = [np.zeros(b.shape) for b in self.biases], [np.zeros(0)] * 2
        for k in (-1, -2):
            delta = delta * self.activations[k] * (1 - self.activations[k])
            nabla_b[k] = delta.sum(axis=1, keepdims=True)
            nabla_w[k] = np.dot(delta, self.activations[k - 1].T)
            delta = np.dot(self.weights[k].T, delta)
        return nabla_b, nabla_w


class Neuron:
    """Scalars as Python numbers."""

    def __init__(self) -> None:
        self.w1, self.w2, self.b = 0.4, -0.3, 0.1

    def forward(self, x: F) -> Any:
        self.x = x
        z = self.w1 * float(x[0]) + self.w2 * float(x[1]) + self.b
        self.y = 1 / (1 + math.exp(-z))
        return self.y

    def backward(self, d: float) -> None:
        d = float(d) * self.y * (1 - self.y)
        self.d_w1, self.d_w2, self.d_b = d * float(self.x[0]), d * float(self.x[1]), d


class MaxPool:
    def forward(self, x: F) -> F:
        n, c, h, w = x.shape
        self.x, out = x, np.zeros((n, c, h // 2, w // 2))
        for i in range(h // 2):
            for j in range(w // 2):
                out[:, :, i, j] = np.max(x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2], axis=(2, 3))
        return out

    def backward(self, g: F) -> F:
        dx = np.zeros_like(self.x)
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                window = self.x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                mask = window == window.max(axis=(2, 3), keepdims=True)
                dx[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += (
                    mask * g[:, :, i, j][..., None, None]
                )
        return dx


class Dropout:
    def forward(self, x: F) -> F:
        self.mask = (np.random.rand(*x.shape) < 0.7) / 0.7
        return x * self.mask

    def backward(self, g: F) -> F:
        return g * self.mask


class Embedding:
    def __init__(self, n: int, d: int) -> None:
        self.W = np.random.default_rng(6).normal(size=(n, d))

    def forward(self, index: F) -> F:
        self.index = index
        return self.W[index]

    def backward(self, g: F) -> None:
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.index, g)


class Attention:
    def forward(self, q: F, k: F, v: F) -> F:
        scores = np.einsum("nid,njd->nij", q, k) / math.sqrt(q.shape[-1])
        scores = np.where(np.tril(np.ones(scores.shape[1:])) == 0, -1e9, scores)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.p = e / e.sum(axis=-1, keepdims=True)
        self.saved = q, k, v
        return self.p @ v

    def backward(self, g: F) -> Any:
        q, k, v = self.saved
        dp = g @ v.swapaxes(1, 2)
        ds = self.p * (dp - (dp * self.p).sum(-1, keepdims=True)) / math.sqrt(q.shape[-1])
        return ds @ k, ds.swapaxes(1, 2) @ q, self.p.swapaxes(1, 2) @ g


class Conv:
    """Windows by strides."""

    def __init__(self) -> None:
        self.weight = np.random.default_rng(7).normal(size=(2, 3, 2, 2))

    def windows(self, x: F) -> F:
        n, c, h, w = x.shape
        a, b, r, s = x.strides
        shape = (n, c, h - 1, w - 1, 2, 2)
        return np.lib.stride_tricks.as_strided(x, shape, (a, b, r, s, r, s))

    def forward(self, x: F) -> F:
        self.x = x
        return np.tensordot(self.windows(x), self.weight, ((1, 4, 5), (1, 2, 3))).transpose(
            0, 3, 1, 2
        )

    def backward(self, g: F) -> F:
        self.dweight = np.tensordot(g, self.windows(self.x), ((0, 2, 3), (0, 2, 3)))
        dx = np.zeros_like(self.x)
        for r in range(2):
            for s in range(2):
                part = np.tensordot(g, self.weight[:, :, r, s], ((1,), (0,))).transpose(0, 3, 1, 2)
                dx[:, :, r : r + g.shape[2], s : s + g.shape[3]] += part
        return dx


class InTorch:
    """Tensors, with a backward by hand."""

    def __init__(self, n: int, m: int) -> None:
        self.weight = torch.linspace(-1, 1, n * m, dtype=torch.float64).reshape(n, m)

    def forward(self, x: Any) -> Any:
        self.x = x
        self.y = torch.tanh(x @ self.weight)
        return self.y

    def backward(self, g: Any) -> Any:
        g = g * (1 - self.y**2)
        self.grad_weight = self.x.T @ g
        return g @ self.weight.T


class Value:
    """A scalar engine's node."""

    def __init__(self, data: Any, children: Any = ()) -> None:
        self.data, self.grad, self.children = data, 0.0, children
        self.push: Any = lambda: None

    def __mul__(self, other: "Value") -> "Value":
        out = Value(self.data * other.data, (self, other))

        def push() -> None:
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.push = push
        return out

    def backward(self) -> None:
        order: list[Value] = []

        def visit(node: "Value") -> None:
            if node not in order:
                for child in node.children:
                    visit(child)
                order.append(node)

        visit(self)
        for node in reversed(order):
            node.push()


class Engine:
    def forward(self, a: F, b: F) -> Any:
        self.a, self.b = Value(a), Value(b)
        self.out = self.a * self.b * self.a
        return self.out.data

    def backward(self, g: F) -> Any:
        self.out.grad = g
        self.out.backward()
        return self.a.grad, self.b.grad


class Interpolated:
    """What the stand-ins lack."""

    def forward(self, x: F) -> F:
        self.x = x
        return np.interp(x, [-10.0, 0.0, 10.0], [-5.0, 0.0, 20.0])

    def backward(self, g: F) -> F:
        return g * np.where(self.x < 0, 0.5, 2.0)


class Spelled:
    """A number goes through text: no gradient comes back from there, and nothing says so."""

    def forward(self, x: F) -> F:
        self.x = x
        return x * np.array([[float(str(v)) for v in row] for row in x])

    def backward(self, g: F) -> F:
        return 2 * g * self.x


class LossesOfSamples:
    """One loss a sample; backward is that of their mean, which somebody else takes."""

    def forward(self, y_pred: F, y_true: F) -> F:
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def backward(self, dvalues: F, y_true: F) -> None:
        samples, outputs = dvalues.shape
        self.dinputs = -2 * (y_true - dvalues) / outputs / samples


Wxh, Whh = normal(4, 3, seed=8), normal(4, 4, seed=9)
bh = np.zeros((4, 1))


def loss_fun(inputs: F, targets: F, hprev: F) -> Any:
    """Weights at the level of the module; a state is returned after the gradients."""
    h = np.tanh(np.dot(Wxh, inputs) + np.dot(Whh, hprev) + bh)
    loss = 0.5 * np.sum((h - targets) ** 2)
    d = (h - targets) * (1 - h * h)
    return loss, d @ inputs.T, d @ hprev.T, np.sum(d, axis=1, keepdims=True), h


class TwoLayers:
    """loss(X, y) returns the loss and a dict of gradients."""

    def __init__(self) -> None:
        self.params = {"W1": normal(3, 5), "b1": np.zeros(5), "W2": normal(5, 3)}
        self.reg = 0.1

    def loss(self, X: F, y: F) -> Any:
        W1, W2, n = self.params["W1"], self.params["W2"], X.shape[0]
        hidden = np.maximum(0, X.dot(W1) + self.params["b1"])
        scores = hidden.dot(W2)
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(n), y]).mean() + self.reg * (np.sum(W1 * W1) + np.sum(W2**2))
        d = p.copy()
        d[np.arange(n), y] -= 1
        d /= n
        grads = {"W2": hidden.T.dot(d) + 2 * self.reg * W2}
        d = d.dot(W2.T)
        d[hidden <= 0] = 0
        grads["W1"], grads["b1"] = X.T.dot(d) + 2 * self.reg * W1, d.sum(axis=0)
        return loss, grads


class LSTM:
    def __init__(self) -> None:
        self.W, self.b = normal(7, 16), np.zeros(16)

    def forward(self, xs: F) -> F:
        h = c = np.zeros((xs.shape[1], 4))
        self.cache, hs = [], []
        for x in xs:
            joined, before = np.hstack([x, h]), c
            a = joined @ self.W + self.b
            i, f, o = (1 / (1 + np.exp(-a[:, 4 * k : 4 * k + 4])) for k in range(3))
            g = np.tanh(a[:, 12:])
            c = f * c + i * g
            h = o * np.tanh(c)
            self.cache.append((joined, i, f, o, g, before, np.tanh(c)))
            hs.append(h)
        return np.array(hs)

    def backward(self, dhs: F) -> F:
        self.dW, self.db, dxs = np.zeros_like(self.W), np.zeros_like(self.b), []
        dh_next = dc_next = np.zeros(dhs.shape[1:])
        for dh, (joined, i, f, o, g, before, t) in zip(dhs[::-1], self.cache[::-1], strict=True):
            dh = dh + dh_next
            dc = dh * o * (1 - t**2) + dc_next
            parts = dc * g * i * (1 - i), dc * before * f * (1 - f), dh * t * o * (1 - o)
            da = np.hstack([*parts, dc * i * (1 - g**2)])
            self.dW += joined.T @ da
            self.db += da.sum(axis=0)
            d = da @ self.W.T
            dxs.append(d[:, :3])
            dh_next, dc_next = d[:, 3:], dc * f
        return np.array(dxs[::-1])


class Flat:
    """All parameters are views of one array, and all gradients of another."""

    def __init__(self) -> None:
        self.theta, self.dtheta = normal(16), np.zeros(16)
        self.W, self.b = self.theta[:12].reshape(3, 4), self.theta[12:]
        self.dW, self.db = self.dtheta[:12].reshape(3, 4), self.dtheta[12:]

    def forward(self, x: F) -> F:
        self.x = x
        return x @ self.W + self.b

    def backward(self, g: F) -> F:
        self.dW[...], self.db[...] = self.x.T @ g, g.sum(axis=0)
        return g @ self.W.T


class HandsOutItsCache:
    def __init__(self) -> None:
        self.W = normal(3, 4)

    def forward(self, x: F) -> Any:
        return x @ self.W, x

    def backward(self, dout: F, cache: F) -> F:
        self.dW = cache.T @ dout
        return dout @ self.W.T


class Stateful:
    """The hidden state stays from one call to the next; its gradient is nobody's."""

    def __init__(self) -> None:
        self.Wx, self.Wh, self.h = normal(3, 4), normal(4, 4), np.full((1, 4), 0.5)

    def forward(self, x: F) -> F:
        self.x, self.before = x, np.broadcast_to(self.h, (len(x), 4))
        self.h = np.tanh(x @ self.Wx + self.before @ self.Wh)
        return self.h

    def backward(self, g: F) -> F:
        g = g * (1 - self.h**2)
        self.dWx, self.dWh = self.x.T @ g, self.before.T @ g
        return g @ self.Wx.T
