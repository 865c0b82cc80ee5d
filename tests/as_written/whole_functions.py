#: mlp --input 6,4 --input '6:int<3' --input 4,5 --input 5 --input 5,3 --input 3
#: step --input 6,4 --input 6,2 --input W=4,2 --input b=2
#: Linear --input 6,4 --input 4,3 --input 3
#: unroll --input 3,4 --input '(4,4 4)'
#: loss_grad --input 3 --input 6,3 --input 6
#: Called --args 3 2 --input 6,3
# db2 = dscores.sum(0) ==> db2 = dscores.mean(0) :: mean-for-sum
# "W": x.T @ d ==> "W": -x.T @ d :: sign
# dw = x.T @ dout ==> dw = 2 * x.T @ dout :: scale
import numpy as np


def mlp(x, y, W1, b1, W2, b2):
    h = np.tanh(x @ W1 + b1)
    scores = h @ W2 + b2
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    dscores = p.copy()
    dscores[np.arange(len(y)), y] -= 1
    dscores /= len(y)
    dW2 = h.T @ dscores
    db2 = dscores.sum(0)
    dh = dscores @ W2.T * (1 - h * h)
    dW1 = x.T @ dh
    db1 = dh.sum(0)
    return loss, dW1, db1, dW2, db2


def step(x, y, params):
    d = x @ params["W"] + params["b"] - y
    return 0.5 * np.sum(d**2), {"W": x.T @ d, "b": d.sum(0)}


class Linear(object):
    @staticmethod
    def forward(x, w, b):
        out = x @ w + b
        cache = (x, w, b)
        return out, cache

    @staticmethod
    def backward(dout, cache):
        x, w, b = cache
        dx, db = dout @ w.T, dout.sum(0)
        dw = x.T @ dout
        return dx, dw, db


def unroll(x, weights):
    W, b = weights
    z = x @ W + b
    y = np.tanh(z)
    loss = np.sum(y)
    dz = 1 - y**2
    return loss, (dz @ W.T, (x.T @ dz, dz.sum(0)))


def loss_grad(w, X, y):
    r = X @ w - y
    return r @ r / len(y), 2 * X.T @ r / len(y)


class Called:
    def __init__(self, n, m):
        self.w = np.random.randn(m, n)
        self.b = np.zeros(m)

    def __call__(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def grad(self, dy):
        self.w_grad = dy.T @ self.x
        self.b_grad = dy.sum(0)
        return dy @ self.w
