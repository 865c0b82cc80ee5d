#: nonlin --input 6,4
#: sigmoid,sigmoid_derivative --input 6,4
#: relu,relu_prime --input 6,4
#: softmax,softmax_grad --input 4
# return x * (1 - x) ==> return x :: 
import numpy as np


def nonlin(x, deriv=False):
    if deriv == True:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def sigmoid(x):
    return 1.0 / (1 + np.exp(-x))


def sigmoid_derivative(x):
    return x * (1.0 - x)


def relu(x):
    return np.maximum(0, x)


def relu_prime(x):
    return np.where(x > 0, 1.0, 0.0)


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


def softmax_grad(x):
    s = softmax(x)
    return np.diag(s) - np.outer(s, s)
