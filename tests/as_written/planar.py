#: forward_propagation,backward_propagation --input X=2,6 --input 'Y=1,6:int<2' --input W1=4,2 --input b1=4,1 --input W2=1,4 --input b2=1,1
# dZ1 = back * (1 - A1**2) ==> dZ1 = back * (1 - A1) :: wrong-derivative
# db1 = dZ1.sum(1, keepdims=True) / m ==> db1 = dZ1.sum(1, keepdims=True) :: sum-for-mean
import numpy as np


def forward_propagation(X, parameters):
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    A2 = 1 / (1 + np.exp(-(parameters["W2"] @ A1 + parameters["b2"])))
    return A2, {"A1": A1, "A2": A2}


def compute_cost(A2, Y):
    each = Y * np.log(A2) + (1 - Y) * np.log(1 - A2)
    return float(-np.mean(each))


def backward_propagation(parameters, cache, X, Y):
    m, A1 = X.shape[1], cache["A1"]
    dZ2 = cache["A2"] - Y
    back = parameters["W2"].T @ dZ2
    dZ1 = back * (1 - A1**2)
    dW2, db2 = dZ2 @ A1.T / m, dZ2.sum(1, keepdims=True) / m
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.sum(1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
