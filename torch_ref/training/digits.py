"""What all experiments with handwritten digits have in common."""

from collections.abc import Iterator
from typing import Any

from manual import no_grad

from .experiment import Experiment, Run


class Digits(Experiment):
    """The misread ones are pictured."""

    def pictures(self, run: Run) -> Iterator[tuple[str, Any]]:
        from .pictures import misread

        assert run.problem.data.held_out is not None
        images, wanted = run.problem.data.held_out
        output, twin_output, *_ = run.pair.evaluate(images, wanted)
        read = output.argmax(axis=1), twin_output.argmax(axis=1)
        yield "Misread digits", misread(images, wanted, *read)


class ConvolvedDigits(Digits):
    """The first convolution's kernels are pictured too, and what they make of a digit."""

    def first_part(self, network: Any) -> Any:
        """Of either side's network, that which begins with a convolution."""
        raise NotImplementedError(f"{type(self).__name__} has no first_part")

    def pictures(self, run: Run) -> Iterator[tuple[str, Any]]:
        import torch

        from ..twin import to_torch
        from .pictures import tiles

        yield from super().pictures(run)
        mine, theirs = self.first_part(run.pair.network), self.first_part(run.pair.twin)
        kernels = mine[0].weight.data[:, 0], theirs[0].weight.detach().numpy()[:, 0]
        yield "Kernels of the first convolution", tiles(*kernels)
        image = run.problem.data.x[:1]
        with no_grad(), torch.no_grad(), run.pair.in_eval_mode():
            maps = mine(image)[0], theirs(to_torch(image)).numpy()[0]
        yield "Feature maps of a digit", tiles(*maps)
