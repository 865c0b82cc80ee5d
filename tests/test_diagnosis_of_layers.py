"""The diagnosis knows the mistakes of recurrent layers, of attention, and of layers for images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import check
from torch_ref.checking.report import Checked
from torch_ref.diagnosis.catalogue import mistakes_of
from torch_ref.diagnosis.recording import record
from torch_ref.diagnosis.samples import Sample
from torch_ref.diagnosis.search import diagnose
from torch_ref.diagnosis.side_by_side import replay_many
from torch_ref.twin import to_torch

from . import faulty_images as images
from . import faulty_sequences as sequences


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def rnn(bug: str) -> Checked:
    return check(sequences.RNN(3, 4, bug), torch.nn.RNN(3, 4), normal(3, 2, 3), normal(1, 2, 4))


def lstm(bug: str, steps: int = 3) -> Checked:
    x, h, c = normal(steps, 2, 3), normal(1, 2, 4, seed=1), normal(1, 2, 4, seed=2)
    layouts = {f"lstm.{name}": name for name in PARAMETERS}
    reference = sequences.WithStates(3, 4)
    return check(sequences.LSTM(3, 4, bug), reference, x, h, c, layouts=layouts)


def gru(bug: str) -> Checked:
    return check(sequences.GRU(3, 4, bug), torch.nn.GRU(3, 4), normal(3, 2, 3), normal(1, 2, 4))


def attention(bug: str) -> Checked:
    q, k, v = normal(2, 5, 4), normal(2, 6, 4, seed=1), normal(2, 6, 3, seed=2)
    function = torch.nn.functional.scaled_dot_product_attention
    return check(sequences.Attention(bug), function, q, k, v)


def causal(bug: str) -> Checked:
    q, k, v = normal(2, 5, 4), normal(2, 5, 4, seed=1), normal(2, 5, 3, seed=2)
    return check(sequences.Attention(bug, True), sequences.CausalAttention(), q, k, v)


def heads(bug: str) -> Checked:
    return check(sequences.ManyHeads(6, 2, bug), sequences.SelfAttention(6, 2), normal(3, 5, 6))


def text(bug: str) -> Checked:
    index = np.random.default_rng(0).integers(0, 7, (4, 5))
    return check(sequences.ByHandText(7, 5, 3, bug), sequences.TinyText(7, 5, 3), index)


def padded(bug: str) -> Checked:
    mine = images.Conv2d((4, 3, 2, 3), 1, 1, bug=bug)
    return check(mine, torch.nn.Conv2d(3, 4, (2, 3), padding=1), normal(4, 3, 5, 6))


def strided(bug: str) -> Checked:
    mine = images.Conv2d((4, 3, 2, 3), 2, 0, bug=bug)
    return check(mine, torch.nn.Conv2d(3, 4, (2, 3), stride=2), normal(4, 3, 6, 7))


def grouped(bug: str) -> Checked:
    mine = images.Conv2d((6, 2, 2, 3), 1, 0, 2, bug)
    return check(mine, torch.nn.Conv2d(4, 6, (2, 3), groups=2), normal(4, 4, 5, 6))


def average(bug: str) -> Checked:
    return check(images.AvgPool2d(3, 2, bug), torch.nn.AvgPool2d(3, 2), normal(4, 2, 7, 10))


def scaled(layer: Any) -> Any:
    """A normalization whose weight and bias are not one and zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        layer.weight.uniform_(0.5, 2)
        layer.bias.uniform_(-1, 1)
    return layer


def batch_norm(bug: str) -> Checked:
    reference = scaled(torch.nn.BatchNorm2d(3))
    return check(images.BatchNorm2d(3, bug), reference, normal(4, 3, 5, 6))


def evaluated(bug: str) -> Checked:
    reference = scaled(torch.nn.BatchNorm2d(3)).eval()
    return check(images.BatchNormInEval(3, bug), reference, normal(4, 3, 5, 6))


def group_norm(bug: str) -> Checked:
    return check(images.GroupNorm(2, 4, bug), scaled(torch.nn.GroupNorm(2, 4)), normal(4, 4, 5, 6))


# What is checked, the mistake in it, the kind of its verdict, words that must be in it.
MISTAKES: list[tuple[Callable[[str], Checked], str, str, str]] = [
    (rnn, "no carry", "forgotten-path", "back to the hidden state, in all 3 places"),
    (rnn, "carry overwritten", "overwritten", "the hidden state"),
    (rnn, "output's gradient overwritten", "dropped-index", "the last index of axis 0"),
    (rnn, "derivative left out", "forgotten-derivative", "tanh"),
    (rnn, "derivative at the state before", "wrong-argument", "that of the step before"),
    (rnn, "time reversed", "flipped", "the upstream gradient is reversed along axis 0"),
    (rnn, "inputs reversed", "flipped", "the gradient of input 0 is reversed along axis 0"),
    (rnn, "carry not transposed", "transpose", "weight_hh_l0 transposed"),
    (rnn, "weights assigned", "overwritten", "weight_hh_l0 is used 3 times"),
    (rnn, "initial state dropped", "forgotten-path", "the gradient of input 1 is left out"),
    (lstm, "no carry", "forgotten-path", "back to the hidden state, in all 3 places"),
    (lstm, "no cell carry", "forgotten-path", "back to the cell state, in all 3 places"),
    (lstm, "carry overwritten", "overwritten", "the hidden state"),
    (lstm, "cell's carry overwritten", "overwritten", "the cell state"),
    (lstm, "cell's own gradient overwritten", "overwritten", "the cell state"),
    (lstm, "forget gate left out", "forgotten-factor", "gate f"),
    (lstm, "forget gate with the new cell", "wrong-argument", "the cell state of the step after"),
    (lstm, "gates i and f swapped", "other-gate", "gate i and gate f exchanged"),
    (lstm, "parts i and f swapped", "other-gate", "in the order gate f, gate i, gate g, gate o"),
    *(
        (lstm, f"derivative left out of {gate}", "forgotten-derivative", f"of gate {gate}")
        for gate in "ifgo"
    ),
    (lstm, "sigmoid's derivative for g", "wrong-derivative", "y(1 − y)"),
    (lstm, "tanh of the cell left out", "forgotten-derivative", "tanh in"),
    (lstm, "output gate left out of the cell", "forgotten-factor", "gate o"),
    (lstm, "time reversed", "flipped", "the upstream gradient"),
    (lstm, "weights assigned", "overwritten", "lstm.weight_hh_l0 is used 3 times"),
    (lstm, "initial state dropped", "forgotten-path", "in all 2 places like it"),
    (gru, "no carry", "forgotten-path", "back to the hidden state, in all 3 places"),
    (gru, "no direct carry", "forgotten-path", "from the product in GRU back to the hidden"),
    (gru, "carry overwritten", "overwritten", "the hidden state"),
    (gru, "z and 1 − z swapped", "wrong-argument", "gate z in place of the difference"),
    (gru, "z without the new state", "forgotten-path", ""),
    (gru, "z's sign", "sign", "gate z"),
    *(
        (gru, f"derivative left out of {gate}", "forgotten-derivative", f"of gate {gate}")
        for gate in "rzn"
    ),
    (gru, "inner derivative left out of r", "forgotten-derivative", "on the path to gate r"),
    (gru, "r without the bias", "wrong-argument", "the first operand alone of the sum"),
    (gru, "reset gate left out", "forgotten-factor", "gate r"),
    (gru, "gates r and z swapped", "other-gate", "in the order gate z, gate r, gate n"),
    (gru, "time reversed", "flipped", "the upstream gradient"),
    (gru, "weights assigned", "overwritten", "weight_hh_l0 is used 3 times"),
    (gru, "initial state dropped", "forgotten-path", "the gradient of input 1"),
    (attention, "Jacobian diagonal", "diagonal-only", "the softmax"),
    (attention, "Jacobian identity", "forgotten-derivative", "the softmax"),
    (attention, "sum over the queries", "option-ignored", "axis 1, not 2"),
    (attention, "scale missing", "number-forgotten", "0.5, is left out"),
    (attention, "scale twice", "number-forgotten", "0.5, is multiplied in twice"),
    (causal, "mask forgotten", "mask-forgotten", "all that it is used in, is taken without"),
    (causal, "mask forgotten for the scores", "mask-forgotten", "only that, is taken without"),
    (causal, "mask after the softmax", "mask-forgotten", "masked only then"),
    (causal, "q and k exchanged", "other-gradient", "each other's gradient"),
    (heads, "heads split without moving the axis", "transpose", "reshaped where it must be"),
    (heads, "heads merged without moving the axis", "transpose", "in all 3 places like it"),
    (heads, "one head only", "dropped-index", "only the first index of axis 1"),
    (heads, "heads reversed", "flipped", "along axis 1"),
    (heads, "k and v exchanged", "other-gate", "part 1 of 3, part 3 of 3, part 2 of 3"),
    (heads, "scale missing", "number-forgotten", "0.57735, is left out"),
    (heads, "Jacobian diagonal", "diagonal-only", "the softmax"),
    (heads, "value's path left out", "forgotten-path", ""),
    (text, "repeated tokens assigned", "assigned-for-added", "the lookup"),
    (text, "tied weight: only the output", "forgotten-path", "the lookup"),
    (text, "tied weight: only the lookup", "forgotten-path", "the matrix product"),
    (text, "positions: the first sample only", "dropped-index", "positions"),
    (text, "positions averaged", "mean-for-sum", "4, the size of axis 0"),
    (padded, "kernel not flipped", "kernel-not-flipped", ""),
    (padded, "windows assigned", "assigned-for-added", ""),
    (padded, "padding not cut", "padding", "is not cut off"),
    (padded, "padding cut at the end", "padding", "all of it at the end"),
    (padded, "padding cut at the beginning", "padding", "all of it at the beginning"),
    (strided, "stride forgotten", "stride", "in steps of one"),
    (strided, "kernel's rows not flipped", "kernel-not-flipped", ""),
    (grouped, "channels of groups interleaved", "other-group", "as if the groups took turns"),
    (average, "windows assigned", "assigned-for-added", ""),
    (average, "count forgotten", "sum-for-mean", "9, the number of elements of a window"),
    (average, "one axis only", "sum-for-mean", "3, the size of axis 0 of a window"),
    (average, "count twice", "mean-for-sum", "9, the number of elements of a window"),
    (batch_norm, "mean's path left out", "forgotten-path", "the mean"),
    (batch_norm, "variance's path left out", "forgotten-path", "1/sqrt"),
    (batch_norm, "statistics as constants", "forgotten-path", "mean and variance"),
    (batch_norm, "n − 1 in all", "wrong-count", "both sums"),
    (batch_norm, "n − 1 for the variance", "wrong-count", "through the variance"),
    (batch_norm, "eps forgotten", "epsilon", "without ε"),
    (batch_norm, "eps outside the root", "epsilon", "outside the root"),
    (batch_norm, "eps forgotten everywhere", "epsilon", "for x̂ as well"),
    (batch_norm, "gamma and beta swapped", "other-gradient", "each other's gradient"),
    (batch_norm, "gamma left out", "forgotten-factor", ""),
    (batch_norm, "axes of a layer norm", "wrong-axes", "1, 2, 3 of its input, not 0, 2, 3"),
    (batch_norm, "axes of an instance norm", "wrong-axes", "2, 3 of its input, not 0, 2, 3"),
    (evaluated, "backward as in training", "wrong-axes", "0, 2, 3 of its input, where it has none"),
    (group_norm, "channels of groups interleaved", "other-group", "as if the groups took turns"),
    (group_norm, "groups as one", "wrong-axes", "not 2, 3"),
    (group_norm, "mean's path left out", "forgotten-path", ""),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "bug", "kind", "words"), MISTAKES, ids=[f"{m[0].__name__}: {m[1]}" for m in MISTAKES]
)
def test_a_mistake_is_named(run: Callable[[str], Checked], bug: str, kind: str, words: str) -> None:
    checked = run(bug)
    assert not checked.agrees
    assert checked.diagnosis.verdicts, checked
    first = checked.diagnosis.verdicts[0]
    assert first.kind == kind, checked
    assert words in first.what
    assert first.distance < 1e-12
    assert len(checked.diagnosis.verdicts) == 1, checked  # and nothing else explains it


@pytest.mark.parametrize("run", dict.fromkeys(mistake[0] for mistake in MISTAKES))
def test_what_is_right_is_not_accused(run: Callable[[str], Checked]) -> None:
    checked = run("")
    assert checked.agrees, checked
    assert not checked.diagnosis.verdicts


@pytest.mark.slow
@pytest.mark.parametrize("bug", ["no cell carry", "derivative left out of f", "carry times 0.731"])
def test_thirty_steps_are_as_few_mistakes_as_three(bug: str) -> None:
    """What is made at every step is one mistake: the search does not grow with their square."""
    few, many = lstm(bug).diagnosis, lstm(bug, 30).diagnosis
    assert not many.verdicts or not many.untried  # what is known is found within the bound
    assert many.tried < 1.2 * few.tried
    assert [v.kind for v in few.verdicts] == [v.kind for v in many.verdicts]


@pytest.mark.parametrize("bug", ["no carry", "derivative left out of i"])
def test_a_recurrent_mistake_is_planted_at_every_step(bug: str) -> None:
    checked = lstm(bug)
    assert "in all 3 places" in checked.diagnosis.verdicts[0].what


def test_running_statistics_that_are_updated_in_evaluation() -> None:
    """Nothing is wrong with the first pass: the next one sees other statistics."""
    checked = evaluated("statistics updated in eval")
    assert not checked.agrees
    assert [verdict.kind for verdict in checked.diagnosis.verdicts] == ["kept-state"]
    assert "running statistics" in checked.diagnosis.verdicts[0].fix


SIDE_BY_SIDE = {
    "lstm": (torch.nn.LSTM(3, 4, 2, bidirectional=True), (4, 2, 3)),
    "gru": (torch.nn.GRU(3, 4), (4, 2, 3)),
    "convolution": (torch.nn.Conv2d(3, 4, 2), (2, 3, 4, 5)),
    "batch norm": (torch.nn.BatchNorm1d(3), (6, 3)),
    "transformer": (torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), (3, 2, 4)),
}


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_replays_side_by_side_are_those_of_one_after_the_other(name: str) -> None:
    reference, shape = SIDE_BY_SIDE[name]
    tape = record(reference.double(), [to_torch(normal(*shape))])
    tape.backward([torch.randn_like(value.tensor) for value in tape.outputs])
    chosen = [m for m in mistakes_of(tape, {}) if len(m.edits) > 1][::7]
    chosen += [m for m in mistakes_of(tape, {}) if len(m.edits) == 1][::23]
    assert len(chosen) >= 10
    rows, failed = replay_many(tape, [mistake.edits for mistake in chosen])
    assert len(failed) < len(chosen)
    for row, mistake in enumerate(chosen):
        if row in failed:
            continue
        for leaf, gradient in tape.replay(mistake.edits).items():
            size = max(float(gradient.abs().nan_to_num(posinf=0).max()), 1.0)
            torch.testing.assert_close(
                rows[leaf][row], gradient, rtol=1e-12, atol=1e-12 * size, equal_nan=True
            )


RECORDED = {
    "LSTM": (torch.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2), (5, 2, 3)),
    "GRU": (torch.nn.GRU(3, 4, batch_first=True), (2, 5, 3)),
    "RNN": (torch.nn.RNN(3, 4, nonlinearity="relu", bias=False), (5, 2, 3)),
    "one sequence": (torch.nn.LSTM(3, 4), (5, 3)),
    "attention": (sequences.SelfAttention(6, 2), (3, 5, 6)),
    "causal": (torch.nn.TransformerEncoderLayer(6, 3, 8).eval(), (5, 2, 6)),
}


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_written_out_gives_the_modules_own_output(name: str) -> None:
    module, shape = RECORDED[name]
    x = to_torch(normal(*shape))
    returned = module.double()(x)
    tape = record(module, [x])
    first = returned if torch.is_tensor(returned) else returned[0]
    torch.testing.assert_close(tape.outputs[0].tensor, first.detach(), rtol=1e-13, atol=1e-15)
    shorts = {op.short for op in tape.ops}
    assert not shorts & {"lstm", "gru", "scaled_dot_product_attention"}
    assert "mm" in shorts | {"bmm"}


def test_no_derivative_writes_into_what_it_is_taken_at() -> None:
    """PyTorch updates the running statistics it is given: a weight that stands in for them is a
    copy."""
    layer = scaled(torch.nn.BatchNorm1d(3)).double()
    x, g = to_torch(normal(6, 3)), to_torch(normal(6, 3, seed=1))
    sample = Sample.of(layer, [x], [g])
    sample.mine = sample.right | {"input 0": 3.7 * g}
    diagnose([sample], 100)
    for tape in sample.tapes:
        for name, gradient in tape.backward([g]).items():
            torch.testing.assert_close(gradient, sample.right[name], rtol=1e-12, atol=1e-12)
