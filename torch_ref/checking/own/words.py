"""What people call the parts of a backward pass: its methods, its arguments, its results."""

import re

FORWARDS = (
    *("forward", "forward_pass", "forward_propagation", "forward_prop", "forwardprop"),
    *("feedforward", "feed_forward", "propagate", "fprop", "updateOutput", "call", "__call__"),
    *("predict", "think", "infer", "inference", "hypothesis", "compute"),
    *("activate", "activation", "apply", "fn", "func", "function", "f"),
)
BACKWARDS = (
    *("backward", "backward_pass", "backward_propagation", "backward_prop", "backprop"),
    *("back_propagation", "backpropagation", "back_propagate", "backpropagate", "back_prop"),
    *("bprop", "updateGradInput", "compute_gradients", "compute_gradient", "get_gradients"),
    *("gradient", "gradients", "grad", "derivative", "derivate", "deriv", "prime", "df"),
)
DERIVATIVES = ("gradient", "grad", "derivative", "derivate", "deriv", "prime", "df")
LOSSES = (
    *("loss", "cost", "compute_loss", "compute_cost", "calculate_loss", "loss_function"),
    *("cost_function", "loss_fn", "criterion", "error", "objective", "fn", "calculate"),
)
TRAINS = ("train", "fit", "train_step", "learn", "step", "update", "train_on_batch", "train_batch")
RATES = (*("lr", "learning_rate", "learn_rate", "eta", "alpha", "rate", "step_size", "LR"),)
ROUNDS = (
    *("epochs", "epoch", "n_epochs", "num_epochs", "n_iters", "n_iter", "num_iters", "max_iter"),
    *("iterations", "num_iterations", "n_iterations", "training_iterations", "steps", "num_steps"),
)
RESETS = (
    *("zero_grad", "zero_grads", "zero_gradients", "flush_gradients", "clear_grads", "cleargrads"),
    *("reset_grads", "reset_gradients", "zeroGradParameters"),
)
SWITCHES = {"training": True, "train": True, "is_training": True, "mode": "train"}
OUTPUTS = ("output", "outputs", "out", "y", "a", "A", "result")
CACHES = ("ctx", "saved", "memory", "state", "tape", "intermediates")
PREDICTED = (
    *("predicted", "prediction", "predictions", "pred", "preds", "y_pred", "ypred", "y_hat"),
    *("yhat", "al", "a2", "a3", "probs", "p", "output", "outputs", "out", "output_activations"),
)
TARGETS = (
    *("target", "targets", "label", "labels", "actual", "truth", "ground_truth", "y_true"),
    *("ytrue", "y", "t", "y_target", "y_real", "gt", "targ", "expected", "desired", "y_train"),
    *("all_y_trues", "y_batch", "true", "onehot", "one_hot"),
)
PARAMETER = re.compile(r"(w|b|weights?|bias(es)?|kernels?|gamma|beta)(_?[a-z]{1,2})?_?\d*", re.I)


def is_target(name: str) -> bool:
    """Whether an argument is called as what an output is compared with."""
    return name.lower() in TARGETS


def is_parameter(name: str) -> bool:
    """Whether an array is called as a weight or a bias is."""
    return PARAMETER.fullmatch(name) is not None


def is_cache(name: str) -> bool:
    return "cache" in name.lower() or name in CACHES
