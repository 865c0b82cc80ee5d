"""Ctrl-C and a request to end are heard between two steps, never within one."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """Within the block the first signal only sets `asked`; a second one ends at once, as ever.

    Attributes:
        asked: the signal's number; 0 if there was none.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # others hear no signals
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self.ask)
        return self

    def ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        self.hear_no_more()

    def hear_no_more(self) -> None:
        while self.before:
            signal.signal(*self.before.popitem())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.hear_no_more()
