"""What another choice of endpoints would save, from the estimated costs. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from asana_assets.asana.selection import STANDARD, further_endpoints
from asana_assets.sync.estimate import EndpointCost

_MIN_SHARE = 0.1  # of all requests; a smaller saving is not worth a choice
_MIN_REQUESTS = 60  # less than a minute at the default rate is not, either
_MAX_LEFT_OUT = 3  # endpoints to name


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """The requests that a choice saves.

    Attributes:
        choice: The choice, as part of a sentence.
        requests: The requests.
        share: Their share of all requests.
    """

    choice: str
    requests: int
    share: float

    def __str__(self) -> str:
        return f"{self.requests:,} ({self.share:.0%}) {self.choice}"


def find_savings(costs: Sequence[EndpointCost]) -> list[Saving]:
    """Return the largest savings by leaving out one endpoint that no other needs, and that of the standard ones alone.

    Args:
        costs: The cost of each endpoint in each workspace.
    """
    requests: Counter[str] = Counter()
    for cost in costs:
        requests[cost.endpoint.name] += cost.requests
    needed = {name for cost in costs for name in cost.endpoint.upstream}
    further = {endpoint.name for endpoint in further_endpoints()}.intersection(requests)
    leaves = [(name, number) for name, number in requests.most_common() if name not in needed]
    savings = [
        *_savings(((f"without {name}", number) for name, number in leaves), requests),
        *_savings([(f"with {STANDARD} alone", sum(requests[name] for name in further))], requests),
    ]
    return savings if len(requests) > 1 else []


def _savings(choices: Iterable[tuple[str, int]], requests: Mapping[str, int]) -> list[Saving]:
    total = sum(requests.values())
    return [
        Saving(choice=choice, requests=number, share=number / total)
        for choice, number in choices
        if number >= max(_MIN_REQUESTS, _MIN_SHARE * total)
    ][:_MAX_LEFT_OUT]
