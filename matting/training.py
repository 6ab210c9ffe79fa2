"""What the training of both networks shares."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from matting.console import messages


def hold_out_senders(senders: list[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose whole senders at random until they hold this share of the photos; True for the photos held out.

    Senders with more than a quarter of that share are never chosen, so that many people are held out, not one.
    """
    counts = {sender: senders.count(sender) for sender in sorted(set(senders))}
    wanted = share * len(senders)
    small = [sender for sender, count in counts.items() if count <= max(1, wanted / 4)]
    chosen: set[str] = set()
    for sender in np.random.default_rng(seed).permutation(small):
        if sum(counts[name] for name in chosen) >= wanted:
            break
        chosen.add(str(sender))
    return np.array([sender in chosen for sender in senders])


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move an exponential average of weights, made of the same layers, towards the network after a step."""
    # A young average forgets faster, or it would hold on to the untrained layers.
    decay = min(decay, (1 + step) / (10 + step))
    for averaged, current in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if averaged.is_floating_point():
            averaged.lerp_(current, 1 - decay)
        else:
            averaged.copy_(current)


def training_progress() -> Progress:
    """A progress bar on a terminal; elsewhere nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal)


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request to stop after the step; a second one acts as usual."""
    wanted = False

    def request(*_: object) -> None:
        nonlocal wanted
        wanted = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, request)
    try:
        yield lambda: wanted
    finally:
        signal.signal(signal.SIGINT, before)
