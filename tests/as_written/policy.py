#: policy_forward,policy_backward --input 5
#: forward,backward --input 6,4 --input 4,3 --input 3
import numpy as np

model = {"W1": np.random.randn(4, 5) / 2, "W2": np.random.randn(4) / 2}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def policy_forward(x):
    h = np.dot(model["W1"], x)
    h[h < 0] = 0
    logp = np.dot(model["W2"], h)
    p = sigmoid(logp)
    return p, (x, h, p)


def policy_backward(dp, cache):
    x, h, p = cache
    dlogp = dp * p * (1 - p)
    dW2 = h * dlogp
    dh = dlogp * model["W2"]
    dh[h <= 0] = 0
    dW1 = np.outer(dh, x)
    return {"W1": dW1, "W2": dW2}


def forward(x, w, b):
    z = x @ w + b
    return np.where(z > 0, z, 0.01 * z), dict(x=x, w=w, z=z)


def backward(grad, saved):
    dz = grad * np.where(saved["z"] > 0, 1, 0.01)
    return dict(x=dz @ saved["w"].T, w=saved["x"].T @ dz, b=dz.sum(0))
