"""A clock that tests set."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Returns `now`, in seconds, when it is called."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
