"""What every schedule is made of: the rates of an optimizer's groups, step by step."""

from collections.abc import Callable, Iterable
from numbers import Real
from types import FunctionType
from typing import Any, ClassVar

from ..optim.optimizer import Optimizer

Group = dict[str, Any]


class LRScheduler:
    """The base of the schedules. A subclass says what comes `next`, and its `closed_form`.

    Args:
        last_epoch: the t that was reached before; −1 is the beginning. A later one goes on from the
            rates that the optimizer's groups have, with the `initial_lr` in them as b.
    Raises:
        TypeError: `optimizer` is none.
        KeyError: there is a last_epoch, but a group lacks what it goes on from.
    """

    # The lists in a state that may be shorter than the groups, some of which were added later.
    GROWING: ClassVar = ("base_lrs", "min_lrs", "_last_lr")

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.attach(optimizer)
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        self.require_in_groups("initial_lr")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._get_lr_called_within_step = False  # PyTorch's state has it
        self.first_step()

    def attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: got a {type(optimizer).__name__}, expected an Optimizer"
            )
        self.optimizer = optimizer

    def require_in_groups(self, *names: str) -> None:
        """Raise KeyError unless every group has these."""
        for i, group in enumerate(self.optimizer.param_groups):
            for name in names:
                if name not in group:
                    raise KeyError(
                        f"{type(self).__name__}: group {i} has no {name} for last_epoch to go on "
                        "from; load the optimizer's state first"
                    )

    def next(self, group: Group, base: float) -> float:
        """η at t = last_epoch, from the η before it, group["lr"]; base is b."""
        raise NotImplementedError(f"{type(self).__name__} has no next")

    def closed_form(self, group: Group, base: float) -> float:
        """η at t = last_epoch from b alone; where there is no such formula, what comes next."""
        return self.next(group, base)

    def first_step(self) -> None:
        """Go to t = last_epoch + 1, 0 at the beginning, where most leave η as it is."""
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def step(self) -> None:
        """Go to the next t; to be called after the optimizer's step."""
        self._step_count += 1
        self.last_epoch += 1
        self.set_rates(self.next)

    def start_over(self) -> None:
        """Go to t = 0 from b, whatever another schedule has made of it."""
        self.last_epoch = 0
        self.set_rates(self.closed_form)

    def undo(self) -> None:
        """Forget a step, but for the rates."""
        self.last_epoch -= 1

    def set_rates(self, rate: Callable[[Group, float], float]) -> None:
        for group, base in self.groups():
            group["lr"] = rate(group, base)
        self.keep_rates()

    def keep_rates(self) -> None:
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def groups(self) -> Iterable[tuple[Group, float]]:
        """Each group and its b; one that was added later begins now."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            self.base_lrs = [*self.base_lrs, group.setdefault("initial_lr", group["lr"])]
        return zip(self.optimizer.param_groups, self.base_lrs, strict=True)

    def per_group(self, name: str, value: Any) -> list[Any]:
        """One value for each group, from a list of them or one for all."""
        groups = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * groups
        if len(values) != groups:
            raise ValueError(
                f"{type(self).__name__}: {len(values)} values of {name} for {groups} groups"
            )
        return values

    def entry_of(self, group: Group, name: str) -> Any:
        """This group's entry in the list of this name, which has one for each."""
        entries = getattr(self, name)
        number = next(i for i, each in enumerate(self.optimizer.param_groups) if each is group)
        if number >= len(entries):
            raise ValueError(
                f"{type(self).__name__}: {name} has no entry for group {number}, added later"
            )
        return entries[number]

    def get_last_lr(self) -> list[float]:
        """η of each group, as the last step left it."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer, in PyTorch's layout; take the optimizer's own state along with it.

        Of a function nothing is kept, of a callable object its attributes.
        """
        return {key: saved(value) for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state, PyTorch's too. Nothing is changed unless everything fits.

        Raises:
            ValueError: its entries are not those of this schedule.
        """
        self.check_state(state_dict)
        self.take(state_dict)

    def check_state(self, state_dict: dict[str, Any]) -> None:
        """Raise ValueError unless it has this schedule's entries, those inside it too."""
        mine = {key: value for key, value in vars(self).items() if key != "optimizer"}
        for problem, keys in (
            ("missing", mine.keys() - state_dict.keys()),
            ("unexpected", state_dict.keys() - mine.keys()),
        ):
            if keys:
                names = ", ".join(sorted(keys))
                raise ValueError(f"{type(self).__name__}.load_state_dict: {problem} {names}")
        for key, value in mine.items():
            self.check_entry(key, value, state_dict[key])

    def check_entry(self, key: str, mine: Any, entry: Any) -> None:
        """Raise ValueError unless an entry of a state, or of a list in it, can replace mine."""
        place = f"{type(self).__name__}.load_state_dict: {key}"
        if callable(mine) and not entry:
            return
        if kind(entry) is not kind(saved(mine)):
            raise ValueError(f"{place} is {entry!r}, expected one like {saved(mine)!r}")
        if isinstance(mine, LRScheduler):
            mine.check_state(entry)
        elif isinstance(mine, list):
            groups = len(self.optimizer.param_groups)
            least, most = (0, groups) if key in self.GROWING else (len(mine), len(mine))
            if not least <= len(entry) <= most:
                raise ValueError(f"{place} has {len(entry)} entries, expected {most}")
            for item, other in zip(mine, entry, strict=False):
                self.check_entry(key, item, other)

    def take(self, state_dict: dict[str, Any]) -> None:
        for key, entry in state_dict.items():
            setattr(self, key, load_entry(getattr(self, key), entry))


def saved(value: Any) -> Any:
    """A value as a state keeps it: of a schedule its state, of a callable object its attributes."""
    if isinstance(value, LRScheduler):
        return value.state_dict()
    if isinstance(value, list):
        return [saved(item) for item in value]
    if callable(value):
        attributes = None if isinstance(value, FunctionType) else getattr(value, "__dict__", None)
        return None if attributes is None else dict(attributes)
    return value


def load_entry(mine: Any, entry: Any) -> Any:
    """Load one entry of a state: it takes the place of mine, or what is in it goes into mine."""
    if isinstance(mine, LRScheduler):
        mine.take(entry)
        return mine
    if isinstance(mine, list):
        return [*map(load_entry, mine, entry), *entry[len(mine) :]]
    if callable(mine):
        if entry:
            vars(mine).update(entry)
        return mine
    return entry


def kind(value: Any) -> type:
    """The type that an entry of a state must share with what it replaces; `object` for any."""
    return next((like for like in (dict, list, str, Real) if isinstance(value, like)), object)


def require_at_least(schedule: str, name: str, value: float, least: float) -> None:
    """Raise ValueError unless value ≥ least; NaN is not."""
    if not value >= least:
        raise ValueError(f"{schedule}: {name} is {value}, expected at least {least}")
