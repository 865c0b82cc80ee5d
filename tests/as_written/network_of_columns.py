#: Network --args '[3, 4, 2]' --input 3,1 --input 2,1
# * sigmoid_prime(z) ==> * sigmoid(z) :: activation
# nabla_w[k] = delta @ below.T ==> nabla_w[k] = -delta @ below.T :: sign
# * sigmoid_prime(zs[-1]) ==> * 1 :: forgotten-derivative
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    s = sigmoid(z)
    return s * (1 - s)


class Network:
    """Every sample is a column; weights and biases are lists, a layer each."""

    def __init__(self, sizes):
        pairs = list(zip(sizes, sizes[1:]))
        self.biases = [np.random.randn(m, 1) for _, m in pairs]
        self.weights = [np.random.randn(m, n) for n, m in pairs]

    def feedforward(self, a):
        for w, b in zip(self.weights, self.biases):
            a = sigmoid(w @ a + b)
        return a

    def cost_derivative(self, output, y):
        return output - y

    def backprop(self, x, y):
        layers = len(self.weights)
        zs, activations = [], [x]
        for w, b in zip(self.weights, self.biases):
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]))
        nabla_b, nabla_w = [None] * layers, [None] * layers
        delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
        for k in range(layers - 1, -1, -1):
            below = activations[k]
            nabla_b[k] = delta
            nabla_w[k] = delta @ below.T
            if k:
                z = zs[k - 1]
                delta = self.weights[k].T @ delta * sigmoid_prime(z)
        return nabla_b, nabla_w

    def update_mini_batch(self, batch, eta):
        for x, y in batch:
            nabla_b, nabla_w = self.backprop(x, y)
            self.weights = [w - eta / len(batch) * g for w, g in zip(self.weights, nabla_w)]
            self.biases = [b - eta / len(batch) * g for b, g in zip(self.biases, nabla_b)]
