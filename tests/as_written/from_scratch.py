#: Dense --args 4 3 --input 6,4
#: Softmax --input 6,4
#: SoftmaxWithCategoricalLoss --input 6,4 --input '6:int<4'
#: BinaryCrossentropy --input 6,1:uniform --input '6,1:int<2'
#: Dropout --args 0.2 --input 6,4
# dvalues.sum(axis=0, keepdims=True) ==> dvalues.mean(axis=0, keepdims=True) :: mean-for-sum
# self.dinputs /= len(dvalues) ==> pass :: sum-for-mean
# self.dinputs = dvalues * self.kept ==> self.dinputs = dvalues :: forgotten-factor
import numpy as np


class Dense:
    """Results and gradients are left in attributes, nothing is returned."""

    def __init__(self, n, m):
        self.weights, self.biases = np.random.randn(n, m) / 10, np.zeros((1, m))

    def forward(self, inputs, training=True):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class Dropout:
    def __init__(self, rate):
        self.keep = 1 - rate

    def forward(self, inputs, training=True):
        self.kept = np.random.binomial(1, self.keep, inputs.shape) / self.keep
        self.output = inputs * self.kept if training else inputs

    def backward(self, dvalues):
        self.dinputs = dvalues * self.kept


class Softmax:
    def forward(self, inputs):
        e = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        self.output = e / e.sum(axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for i, (y, d) in enumerate(zip(self.output, dvalues)):
            self.dinputs[i] = (np.diagflat(y) - np.outer(y, y)) @ d


class Loss:
    def calculate(self, output, y):
        return self.forward(output, y).mean()


class CategoricalCrossentropy(Loss):
    def forward(self, y_pred, y_true):
        inside = np.clip(y_pred, 1e-7, 1 - 1e-7)
        return -np.log(inside[range(len(inside)), y_true])


class SoftmaxWithCategoricalLoss:
    """Its backward is handed the probabilities that it has put out."""

    def __init__(self):
        self.activation, self.loss = Softmax(), CategoricalCrossentropy()

    def forward(self, inputs, y_true):
        self.activation.forward(inputs)
        self.output = self.activation.output
        return self.loss.calculate(self.output, y_true)

    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1
        self.dinputs /= len(dvalues)


class BinaryCrossentropy(Loss):
    def forward(self, y_pred, y_true):
        p = np.clip(y_pred, 1e-7, 1 - 1e-7)
        each = y_true * np.log(p) + (1 - y_true) * np.log(1 - p)
        return -each.mean(axis=-1)

    def backward(self, dvalues, y_true):
        p = np.clip(dvalues, 1e-7, 1 - 1e-7)
        self.dinputs = ((1 - y_true) / (1 - p) - y_true / p) / p.size
