"""Rounds in turn, medians, and one way to print them. Machines are noisy: the ratio is the figure, not the second."""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its target. `wanted` is prose such as "<= 2"; `met` None = no target."""

    name: str
    value: float
    unit: str
    wanted: str = ""
    met: bool | None = None


@dataclass(slots=True)
class Result:
    """What one benchmark found: figures, and the rounds they came from."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def at_most(self, name: str, value: float, unit: str, limit: float) -> None:
        """A figure that should not exceed its limit."""
        self.figures.append(Figure(name, value, unit, f"<= {limit:g}", value <= limit))

    def at_least(self, name: str, value: float, unit: str, limit: float) -> None:
        """A figure that should reach its limit."""
        self.figures.append(Figure(name, value, unit, f">= {limit:g}", value >= limit))

    def plain(self, name: str, value: float, unit: str) -> None:
        """A figure without a target."""
        self.figures.append(Figure(name, value, unit))

    def show(self) -> None:
        """Prints the figures as a table on stdout."""
        print(f"\n{self.title}")
        for figure in self.figures:
            sign = {True: "✓", False: "✕", None: " "}[figure.met]
            print(f"  {sign} {figure.name:<58} {figure.value:>12,.3f} {figure.unit:<10} {figure.wanted}")
        for note in self.notes:
            print(f"    {note}")

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self))


def in_turn(rounds: int, *contenders: Callable[[], float]) -> list[float]:
    """Runs the contenders A B A B ... and answers the median of what each returned."""
    seen: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds):
        for values, contender in zip(seen, contenders, strict=True):
            values.append(contender())
        say(f"round {number + 1} of {rounds}: " + "  ".join(f"{values[-1]:,.3f}" for values in seen))
    return [statistics.median(values) for values in seen]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which that percentage of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def rss_peak_mb(pid: int | str = "self") -> float:
    """The most memory a process ever held, in MB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no VmHWM for process {pid}")


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"  … {text}", file=sys.stderr, flush=True)
