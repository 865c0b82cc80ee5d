#: TwoLayerNet --args 4 5 3 --input 6,4 --input '6:int<3'
# grads["b1"] = np.sum(dhidden, axis=0) ==> grads["b1"] = np.mean(dhidden, axis=0) :: mean-for-sum
# dhidden[hidden <= 0] = 0 ==> pass :: forgotten-derivative
import numpy as np


class TwoLayerNet(object):
    def __init__(self, input_size, hidden_size, output_size, std=1e-1):
        self.params = {}
        self.params["W1"] = std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def loss(self, X, y=None, reg=0.0):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape
        hidden = np.maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2) + b2
        if y is None:
            return scores
        shifted = scores - np.max(scores, axis=1, keepdims=True)
        softmax = np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True)
        loss = np.sum(-np.log(softmax[range(N), y])) / N
        loss += reg * (np.sum(W2 * W2) + np.sum(W1 * W1))
        grads = {}
        softmax[np.arange(N), y] -= 1
        softmax /= N
        grads["W2"] = hidden.T.dot(softmax) + 2 * reg * W2
        grads["b2"] = np.sum(softmax, axis=0)
        dhidden = softmax.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads["W1"] = X.T.dot(dhidden) + 2 * reg * W1
        grads["b1"] = np.sum(dhidden, axis=0)
        return loss, grads

    def predict(self, X):
        return np.argmax(self.loss(X), axis=1)
