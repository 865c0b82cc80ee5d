#: Value
#: MLP --args 3 '[4, 1]' --input 3
#: f --input '' --input ''
# self.grad += (1 - t * t) * g ==> self.grad += (1 - t) * g :: 
# self.grad += other.data * g ==> self.grad = other.data * g :: 
# self.grad += (self.data > 0) * g ==> self.grad += g :: 
import math
import random


class Value:
    """A number that remembers what it was made of."""

    def __init__(self, data, parents=()):
        self.data = data
        self.grad = 0.0
        self._parents = parents
        self._backward = None

    @staticmethod
    def of(x):
        return x if isinstance(x, Value) else Value(x)

    def _made(self, data, parents, push):
        node = Value(data, parents)
        node._backward = lambda: push(node.grad)
        return node

    def __add__(self, other):
        other = Value.of(other)

        def push(g):
            self.grad += g
            other.grad += g

        return self._made(self.data + other.data, (self, other), push)

    def __mul__(self, other):
        other = Value.of(other)

        def push(g):
            self.grad += other.data * g
            other.grad += self.data * g

        return self._made(self.data * other.data, (self, other), push)

    def __pow__(self, k):
        if not isinstance(k, (int, float)):
            raise TypeError("the exponent is a plain number")

        def push(g):
            self.grad += k * self.data ** (k - 1) * g

        return self._made(self.data**k, (self,), push)

    def relu(self):
        def push(g):
            self.grad += (self.data > 0) * g

        return self._made(self.data if self.data > 0 else 0.0, (self,), push)

    def tanh(self):
        e = math.exp(2 * self.data)
        t = (e - 1) / (e + 1)

        def push(g):
            self.grad += (1 - t * t) * g

        return self._made(t, (self,), push)

    def exp(self):
        y = math.exp(self.data)

        def push(g):
            self.grad += y * g

        return self._made(y, (self,), push)

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent in node._parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1.0
        while order:
            node = order.pop()
            if node._backward is not None:
                node._backward()

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.of(other)

    def __truediv__(self, other):
        return self * Value.of(other) ** -1

    __radd__ = __add__
    __rmul__ = __mul__


class Neuron:
    def __init__(self, n):
        self.weights = [Value(random.uniform(-1, 1)) for _ in range(n)]
        self.bias = Value(0.1)

    def __call__(self, xs):
        total = self.bias
        for w, x in zip(self.weights, xs):
            total = total + w * x
        return total.tanh()


class MLP:
    def __init__(self, n, widths):
        self.layers = []
        for width in widths:
            self.layers.append([Neuron(n) for _ in range(width)])
            n = width

    def __call__(self, xs):
        for layer in self.layers:
            xs = [neuron(xs) for neuron in layer]
        return xs[0] if len(xs) == 1 else xs

    def parameters(self):
        neurons = [neuron for layer in self.layers for neuron in layer]
        return [p for neuron in neurons for p in [*neuron.weights, neuron.bias]]


def f(a, b):
    c = a * b + a
    return (c * c).tanh() * a + b**3
