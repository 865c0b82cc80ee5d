#: Lin --args 4,3:normal 3:normal --input 6,4
#: Relu --input 6,4
#: Model --args 4,5:normal 5:normal 5,1:normal 1:normal --input 6,4 --input 6
# self.b.g = self.out.g.sum(0) ==> self.b.g = self.out.g.mean(0) :: mean-for-sum
# (self.inp > 0).double() * self.out.g ==> self.out.g :: forgotten-derivative
# 2.0 * ( ==> ( :: number-forgotten
import torch


class Relu:
    def __call__(self, inp):
        self.inp = inp
        self.out = inp.clamp_min(0.0)
        return self.out

    def backward(self):
        self.inp.g = (self.inp > 0).double() * self.out.g


class Lin:
    def __init__(self, w, b):
        self.w, self.b = torch.as_tensor(w), torch.as_tensor(b)

    def __call__(self, inp):
        self.inp = inp
        self.out = inp @ self.w + self.b
        return self.out

    def backward(self):
        self.inp.g = self.out.g @ self.w.t()
        self.w.g = self.inp.t() @ self.out.g
        self.b.g = self.out.g.sum(0)


class Mse:
    def __call__(self, inp, targ):
        self.inp = inp
        self.targ = targ
        self.out = (inp.squeeze() - targ).pow(2).mean()
        return self.out

    def backward(self):
        self.inp.g = 2.0 * (self.inp.squeeze() - self.targ).unsqueeze(-1) / self.targ.shape[0]


class Model:
    def __init__(self, w1, b1, w2, b2):
        self.layers = [Lin(w1, b1), Relu(), Lin(w2, b2)]
        self.loss = Mse()

    def __call__(self, x, targ):
        for l in self.layers:
            x = l(x)
        return self.loss(x, targ)

    def backward(self):
        self.loss.backward()
        for l in reversed(self.layers):
            l.backward()
