"""What one turn of one side costs: CPU seconds (all threads, or a whole program) and seconds of the clock.

A row of the table has sides: ours first, then what it stands beside. They take turns, in many short rounds,
so that the ratio of two neighbours hardly feels what else the machine does.
"""

from __future__ import annotations

import gc
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

__all__ = ["Measured", "Program", "Prompt", "Side", "Spent", "Steps", "measured"]


class Spent(NamedTuple):
    """Seconds for one step."""

    cpu: float
    wall: float


class Side(Protocol):
    """One of those that take turns."""

    name: str

    def spend(self, steps: int) -> Spent:
        """The seconds of a step, the mean of so many; what a step needs is made before the clock starts."""
        ...


def _nothing(steps: int) -> Sequence[Any]:
    return [None] * steps


@dataclass
class Steps:
    """A function of this process; ``inputs`` makes what so many calls take, anew for each turn."""

    name: str
    run: Callable[[Any], object]
    inputs: Callable[[int], Sequence[Any]] = _nothing

    def spend(self, steps: int) -> Spent:
        inputs, run = self.inputs(steps), self.run
        with clean_heap():
            wall, cpu = time.perf_counter(), time.process_time()
            for one in inputs:
                run(one)
            spent = Spent(time.process_time() - cpu, time.perf_counter() - wall)
        return Spent(spent.cpu / steps, spent.wall / steps)


@contextmanager
def clean_heap() -> Iterator[None]:
    """What was there before is collected, and not looked at again: no side pays for another's garbage."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@dataclass
class Program:
    """A program from its start to its end."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def spend(self, steps: int) -> Spent:
        return _mean([self._once() for _ in range(steps)])

    def _once(self) -> Spent:
        wall = time.perf_counter()
        with subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stderr is not None
            said = process.stderr.read()
            cpu = _reap(process)
        if process.returncode:
            raise RuntimeError(f"{self.name} ends with {process.returncode}: {said.decode()[-400:]}")
        return Spent(cpu, time.perf_counter() - wall)


@dataclass
class Prompt:
    """A program on a terminal, from its start until it shows ``awaited``; then it is killed."""

    name: str
    command: Sequence[str]
    awaited: bytes
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 60.0

    def spend(self, steps: int) -> Spent:
        return _mean([self._once() for _ in range(steps)])

    def _once(self) -> Spent:
        import fcntl
        import pty
        import struct
        import termios

        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        wall = time.perf_counter()
        process = subprocess.Popen(
            self.command,
            env={**os.environ, "TERM": "xterm-256color", **self.environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            self._await(ours)
            shown = time.perf_counter() - wall
        finally:
            process.kill()
            cpu = _reap(process)
            os.close(ours)
        return Spent(cpu, shown)

    def _await(self, terminal: int) -> None:
        import select

        seen, end = b"", time.monotonic() + self.patience
        while self.awaited not in seen:
            ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise RuntimeError(f"{self.name} shows no {self.awaited!r}: {seen[-400:]!r}")
            seen += os.read(terminal, 1 << 16)


def _reap(process: subprocess.Popen[bytes]) -> float:
    """The CPU seconds of a child that ends, and of its children that it has waited for."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _mean(spent: Sequence[Spent]) -> Spent:
    return Spent(*(sum(values) / len(spent) for values in zip(*spent, strict=True)))


@dataclass
class Measured:
    """The turns of each side, by its name: as many as there were rounds."""

    steps: dict[str, int]
    turns: dict[str, list[Spent]]


def measured(sides: Sequence[Side], rounds: int, sample: float) -> Measured:
    """Turns of all sides; ``sample`` is the CPU seconds that a turn should take."""
    steps = {side.name: _steps(side, sample) for side in sides}
    turns: dict[str, list[Spent]] = {side.name: [] for side in sides}
    for turn in range(rounds):
        for side in sides if turn % 2 == 0 else reversed(sides):
            turns[side.name].append(side.spend(steps[side.name]))
    return Measured(steps, turns)


def _steps(side: Side, sample: float) -> int:
    """How many steps make a turn that a clock can tell from another one; what is made once is made now."""
    side.spend(1)
    cost = side.spend(1).cpu
    if cost < sample:  # what comes a second time may be planned ahead then, which is done once as well
        cost = side.spend(1).cpu
    if cost < sample / 10:
        cost = side.spend(10).cpu
    return max(1, round(sample / max(cost, 1e-7)))
