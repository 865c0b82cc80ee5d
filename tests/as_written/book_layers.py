#: Affine --args 4,3:normal 3:normal --input 6,4
#: SoftmaxWithLoss --input 6,4 --input '6:int<4'
#: TwoLayerNet --args 4 5 3 --input 6,4 --input '6:int<3'
#: Sigmoid --input 6,4
# self.db = dout.sum(axis=0) ==> self.db = dout.mean(axis=0) :: mean-for-sum
# dout * self.out * (1 - self.out) ==> dout * (1 - self.out) :: 
# return dx / len(self.t) ==> return dx :: 
import numpy as np


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


class Affine:
    """Its arrays are made by somebody else."""

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        return self.x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return (dout @ self.W.T).reshape(self.shape)


class SoftmaxWithLoss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y, self.t = e / e.sum(axis=-1, keepdims=True), t
        return -np.log(self.y[np.arange(len(t)), t] + 1e-14).sum() / len(t)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


class TwoLayerNet:
    """params in a dict, layers in another, gradient(x, t) beside loss(x, t)."""

    def __init__(self, inputs, hidden, outputs):
        self.params = {
            "W1": np.random.randn(inputs, hidden) / 10,
            "b1": np.zeros(hidden),
            "W2": np.random.randn(hidden, outputs) / 10,
            "b2": np.zeros(outputs),
        }
        p = self.params
        self.layers = {
            "Affine1": Affine(p["W1"], p["b1"]),
            "Relu1": Relu(),
            "Affine2": Affine(p["W2"], p["b2"]),
        }
        self.last_layer = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return self.last_layer.forward(self.predict(x), t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last_layer.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        first, second = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": first.dW, "b1": first.db, "W2": second.dW, "b2": second.db}
