"""By hand against autograd: every case, both dtypes."""

from inspect import signature
from typing import Any

import numpy as np
import pytest

import manual
from manual.article import modules as article
from torch_ref.parity.one_pass import flat, run_back, with_target
from torch_ref.twin import twin_of

from .cases import CASES, Case
from .conftest import OPTIMIZERS, Pair, assert_agreement, make_pair, named, public

# PyTorch warns that KLDivLoss's plain mean is not the divergence's; it is computed all the same.
pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")


def test_outputs_and_gradients(pair: Pair) -> None:
    assert_agreement(pair.gradients())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("case", [c for c in CASES if c.trains], ids=lambda case: case.name)
def test_updated_weights_and_optimizer_state(case: Case, dtype: Any, optimizer: str) -> None:
    pair = make_pair(case, dtype)
    assert_agreement(pair.training(OPTIMIZERS[optimizer](pair.mine.parameters())))


@pytest.mark.slow
def test_names_and_shapes_cross_over(pair: Pair) -> None:
    """A state dict goes across unchanged, and back."""
    state = pair.twin.state_dict()
    assert {name: tuple(v.shape) for name, v in state.items()} == {
        name: v.shape for name, v in pair.mine.state_dict().items()
    }
    pair.mine.load_state_dict(state)
    assert_agreement(pair.gradients())


@pytest.mark.parametrize("case", [c for c in CASES if c.proves], ids=lambda case: case.name)
def test_the_true_gradient_is_not_zero(case: Case) -> None:
    """A case whose gradients are zero everywhere would pass a backward that returns zeros."""
    dtype = np.float32 if case.pytorch_is_off else np.float64  # of which no row is left out
    rows = make_pair(case, dtype).gradients().rows
    gradients = [row for row in rows if "gradient" in row.kind]
    assert gradients
    assert all(row.proves for row in gradients)


@pytest.mark.parametrize("case", [c for c in CASES if not c.proves], ids=lambda case: case.name)
def test_what_proves_nothing_says_so(case: Case) -> None:
    """The few cases whose true gradient is zero, and no others, are marked so."""
    assert not all(row.proves for row in make_pair(case, np.float64).gradients().rows)


def test_every_public_module_has_a_case() -> None:
    covered = {case.class_name for case in CASES}
    assert public(manual.Module).keys() - covered == {"ModuleList", "ModuleDict"}  # no forward
    assert len(CASES) == len({case.name for case in CASES})


@pytest.mark.slow
def test_backward_changes_nothing_and_shares_nothing(pair: Pair) -> None:
    handed = flat((*pair.inputs, *pair.upstream))
    before = [np.copy(x) for x in handed]
    returned = pair.mine(*pair.inputs)
    gradients = [g for g in run_back(pair.mine, returned, pair.upstream) if g is not None]
    for then, now in zip(before, handed, strict=True):
        np.testing.assert_array_equal(then, now)
    own = [p.data for p in pair.mine.parameters()]
    own += [p.grad for p in pair.mine.parameters() if p.grad is not None]
    for i, gradient in enumerate(gradients):
        others = [*(x for x in handed if x is not None), *own, *gradients[:i]]
        assert not any(np.may_share_memory(gradient, other) for other in others)


@pytest.mark.slow
def test_gradients_accumulate(case: Case) -> None:
    """A second forward and backward adds the same again."""
    pair = make_pair(case, np.float64)
    generator = getattr(pair.mine, "generator", np.random.default_rng())
    before = generator.bit_generator.state  # for the same masks
    pair.gradients()
    generator.bit_generator.state = before
    once = {n: p.grad.copy() for n, p in pair.mine.named_parameters() if p.grad is not None}
    run_back(pair.mine, pair.mine(*pair.inputs), pair.upstream)
    for name, parameter in pair.mine.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None
            size = np.abs(once[name]).max(initial=0)  # of a tied weight four parts add up
            np.testing.assert_allclose(parameter.grad, 2 * once[name], rtol=0, atol=1e-15 * size)
        else:
            assert parameter.grad is None


@pytest.mark.slow
def test_used_twice_in_one_forward(case: Case) -> None:
    """Backward goes back through the uses in reverse order, each with what its forward saved."""
    module, inputs = case.build(np.float64)
    upstream = case.upstream(np.float64)
    other = turned(inputs, len(flat(inputs)[0]) if np.ndim(flat(inputs)[0]) else 0)
    expected = [run_back(module, module(*each), upstream) for each in (inputs, other)]
    module, _ = case.build(np.float64)  # with its generator, if it has one, back at the start
    with manual.keep_passes():
        outputs = [module(*each) for each in (inputs, other)]
    for returned, wanted in zip(reversed(outputs), reversed(expected), strict=True):
        for a, b in zip(run_back(module, returned, upstream), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def turned(x: Any, samples: int) -> Any:
    """Arrays of so many samples with these in the reverse order; others, and masks, as they are."""
    if isinstance(x, tuple):
        return tuple(turned(part, samples) for part in x)
    turns = np.ndim(x) and len(x) == samples and x.dtype != bool
    return x[::-1].copy() if turns else x


@pytest.mark.slow
def test_backward_needs_a_forward(case: Case) -> None:
    module, inputs = case.build(np.float64)
    with manual.no_grad():
        returned = case.build(np.float64)[0](*inputs)
    with pytest.raises(RuntimeError, match="backward has no forward"):
        run_back(module, returned, case.upstream(np.float64))
    with manual.no_grad():
        module(*inputs)
    with pytest.raises(RuntimeError, match="under no_grad"):
        run_back(module, returned, case.upstream(np.float64))


@pytest.mark.slow
def test_upstream_of_another_shape_or_dtype_is_refused(case: Case) -> None:
    module, inputs = case.build(np.float64)
    first, *others = upstream = case.upstream(np.float64)
    returned = module(*inputs)
    with pytest.raises(ValueError, match="upstream gradient of shape"):
        run_back(module, returned, [np.zeros((*first.shape, 2)), *others])
    with pytest.raises(TypeError, match="upstream gradient in float32"):
        run_back(module, returned, [first.astype(np.float32), *others])
    run_back(module, returned, upstream)  # what forward saved is still there


@pytest.mark.slow
def test_one_line_is_the_constructor_call(case: Case, dtype: Any) -> None:
    """And all that `repr` shows, of a module with none inside."""
    module: Any = case.build(dtype)[0]
    if case.class_name == "CTCLoss":
        module = module.ctc
    names = {**vars(np), **vars(manual), **vars(article)}
    again = eval(module.one_line(), names)
    assert repr(again) == repr(module)
    whole = not any(module.children()) or type(module).__repr__ is not manual.Module.__repr__
    assert (repr(module) == module.one_line()) == whole
    assert {n: v.dtype for n, v in again.state_dict().items()} == {
        n: v.dtype for n, v in module.state_dict().items()
    }


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twin_goes_on_from_a_used_optimizer(optimizer: str) -> None:
    """The twin of an optimizer that has taken steps has its moments and its count."""
    pair = make_pair(named("Linear-bias=True"), np.float64)
    mine = OPTIMIZERS[optimizer](pair.mine.parameters())
    for _ in range(3):
        pair.gradients()
        mine.step()
    pair.twin = twin_of(pair.mine)
    assert_agreement(pair.training(mine))


TARGETS = [
    case
    for case in CASES
    if "with_target" in signature(type(case.build(np.float64)[0]).backward).parameters
]


@pytest.mark.parametrize("case", TARGETS, ids=lambda case: case.name)
def test_the_targets_gradient_comes_beside_the_others(case: Case) -> None:
    """They are the same whether the target's is asked for or not."""
    pair = make_pair(case, np.float64)
    alone = pair.by_hand().gradients
    for i, gradient in enumerate(with_target(pair.mine, pair.inputs, pair.upstream)):
        if gradient is not None:
            np.testing.assert_array_equal(gradient, alone[f"input {i}"])
