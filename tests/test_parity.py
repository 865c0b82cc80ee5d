"""By hand against autograd: every case, both dtypes."""

import numpy as np
import pytest

import manual
from manual.module import as_tuple
from torch_ref.twin import twin_of

from .cases import CASES
from .conftest import OPTIMIZERS, Pair, assert_agreement, make_pair


def test_outputs_and_gradients(pair: Pair) -> None:
    assert_agreement(pair.gradients())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updated_weights_and_optimizer_state(pair: Pair, optimizer: str) -> None:
    if not any(p.requires_grad for p in pair.mine.parameters()):
        pytest.skip("nothing to train")
    assert_agreement(pair.training(optimizer))


def test_names_and_shapes_cross_over(pair: Pair) -> None:
    """A state dict goes across unchanged, and back."""
    state = pair.twin.state_dict()
    assert {name: tuple(v.shape) for name, v in state.items()} == {
        name: v.shape for name, v in pair.mine.state_dict().items()
    }
    pair.mine.load_state_dict(state)
    assert_agreement(pair.gradients())


def test_no_true_gradient_is_zero() -> None:
    """A case whose gradients are all zero would pass a backward that returns zeros."""
    for case in CASES:
        rows = make_pair(case, np.float64).gradients().rows
        gradients = [row for row in rows if "gradient" in row.kind]
        assert all(row.proves for row in gradients) or "empty" in case.name, case.name


def test_every_public_module_has_a_case() -> None:
    covered = {case.name.split("-")[0] for case in CASES}
    public = {
        name
        for name in manual.__all__
        if isinstance(made := getattr(manual, name), type)
        and issubclass(made, manual.Module)
        and made is not manual.Module
    }
    assert public <= covered


def test_backward_changes_nothing_and_shares_nothing(case, dtype) -> None:
    pair = make_pair(case, dtype)
    before = [np.copy(x) for x in (*pair.inputs, *pair.upstream)]
    pair.mine(*pair.inputs)
    gradients = as_tuple(pair.mine.backward(*pair.upstream))
    for then, now in zip(before, (*pair.inputs, *pair.upstream), strict=True):
        np.testing.assert_array_equal(then, now)
    own = [p.data for p in pair.mine.parameters()]
    own += [p.grad for p in pair.mine.parameters() if p.grad is not None]
    for i, gradient in enumerate(gradients):
        others = [*pair.inputs, *pair.upstream, *own, *gradients[:i]]
        assert not any(np.may_share_memory(gradient, other) for other in others)


def test_gradients_accumulate(case) -> None:
    """A second forward and backward adds the same again."""
    pair = make_pair(case, np.float64)
    pair.gradients()
    once = {name: p.grad.copy() for name, p in pair.mine.named_parameters() if p.requires_grad}
    pair.mine(*pair.inputs)
    pair.mine.backward(*pair.upstream)
    for name, parameter in pair.mine.named_parameters():
        if parameter.requires_grad:
            np.testing.assert_array_equal(parameter.grad, 2 * once[name])
        else:
            assert parameter.grad is None


def test_used_twice_in_one_forward(case) -> None:
    """Backward goes back through the uses in reverse order, each with what its forward saved."""
    pair = make_pair(case, np.float64)
    if any(np.asarray(x).dtype.kind != "f" for x in pair.inputs):
        pytest.skip("integer inputs")
    other = tuple(x * 0.5 - 0.25 for x in pair.inputs)
    expected = []
    for inputs in (pair.inputs, other):
        pair.mine(*inputs)
        expected.append(as_tuple(pair.mine.backward(*pair.upstream)))
    pair.mine(*pair.inputs)
    pair.mine(*other)
    for wanted in reversed(expected):
        for a, b in zip(as_tuple(pair.mine.backward(*pair.upstream)), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_backward_needs_a_forward(case) -> None:
    pair = make_pair(case, np.float64)
    with pytest.raises(RuntimeError, match="backward has no forward"):
        pair.mine.backward(*pair.upstream)
    with manual.no_grad():
        pair.mine(*pair.inputs)
    with pytest.raises(RuntimeError, match="under no_grad"):
        pair.mine.backward(*pair.upstream)


def test_upstream_of_another_shape_or_dtype_is_refused(case) -> None:
    pair = make_pair(case, np.float64)
    (upstream,) = pair.upstream
    pair.mine(*pair.inputs)
    with pytest.raises(ValueError, match="upstream gradient of shape"):
        pair.mine.backward(np.zeros((*upstream.shape, 2)))
    with pytest.raises(TypeError, match="upstream gradient in float32"):
        pair.mine.backward(upstream.astype(np.float32))
    pair.mine.backward(*pair.upstream)  # what forward saved is still there


def test_repr_is_the_constructor_call(case, dtype) -> None:
    module, _ = case.build(dtype)
    again = eval(repr(module), {**vars(manual), **vars(manual.worked_example)})
    assert repr(again) == repr(module)
    assert {n: v.dtype for n, v in again.state_dict().items()} == {
        n: v.dtype for n, v in module.state_dict().items()
    }


def test_twin_goes_on_from_a_used_optimizer() -> None:
    """The twin of an optimizer that has taken steps has its moments and its count."""
    pair = make_pair(next(c for c in CASES if c.name == "Linear"), np.float64)
    for name, make in OPTIMIZERS.items():
        mine = make(pair.mine.parameters())
        for _ in range(3):
            pair.mine.zero_grad()
            pair.mine(*pair.inputs)
            pair.mine.backward(*pair.upstream)
            mine.step()
        twin = twin_of(pair.mine)
        theirs = twin_of(mine, twin.parameters())
        again = Pair(pair.case, pair.mine, twin, pair.inputs, pair.upstream)
        for _ in range(2):
            assert_agreement(again.gradients())
            mine.step()
            theirs.step()
        for ours, torchs in zip(pair.mine.parameters(), twin.parameters(), strict=True):
            np.testing.assert_allclose(ours.data, torchs.detach(), rtol=1e-13, err_msg=name)
