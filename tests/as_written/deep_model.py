#: L_model_forward,L_model_backward --input X=3,6 --input 'Y=1,6:int<2' --input W1=4,3 --input b1=4,1 --input W2=1,4 --input b2=1,1
#: linear_forward,linear_backward --input 3,6 --input 4,3 --input 4,1
#: linear_activation_forward,linear_activation_backward --input 3,6 --input 4,3 --input 4,1 --args activation=sigmoid
# "sigmoid": lambda A: A * (1 - A) ==> "sigmoid": lambda A: A :: activation
# return W.T @ dZ, ==> return -W.T @ dZ, :: sign
# "relu": lambda A: A > 0 ==> "relu": lambda A: 1 :: forgotten-derivative
import numpy as np

ACTIVATIONS = {
    "relu": lambda Z: np.maximum(Z, 0),
    "sigmoid": lambda Z: 1 / (1 + np.exp(-Z)),
}
SLOPES = {"relu": lambda A: A > 0, "sigmoid": lambda A: A * (1 - A)}


def linear_forward(A_prev, W, b):
    return W @ A_prev + b, (A_prev, W, b)


def linear_backward(dZ, cache):
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m


def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    A = ACTIVATIONS[activation](Z)
    return A, (linear_cache, A)


def linear_activation_backward(dA, cache, activation):
    linear_cache, A = cache
    return linear_backward(dA * SLOPES[activation](A), linear_cache)


def activation_of(layer, layers):
    return "sigmoid" if layer == layers else "relu"


def L_model_forward(X, parameters):
    layers, A, caches = len(parameters) // 2, X, []
    for k in range(1, layers + 1):
        W, b = parameters[f"W{k}"], parameters[f"b{k}"]
        A, cache = linear_activation_forward(A, W, b, activation_of(k, layers))
        caches.append(cache)
    return A, caches


def compute_cost(AL, Y):
    each = Y * np.log(AL) + (1 - Y) * np.log(1 - AL)
    return -np.squeeze(each.sum() / Y.shape[1])


def L_model_backward(AL, Y, caches):
    grads, layers = {}, len(caches)
    dA = (1 - Y) / (1 - AL) - Y / AL
    for k in range(layers, 0, -1):
        dA, dW, db = linear_activation_backward(dA, caches[k - 1], activation_of(k, layers))
        grads |= {f"dA{k - 1}": dA, f"dW{k}": dW, f"db{k}": db}
    return grads
