"""What the training of both networks shares."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from matting.console import messages

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class TrainError(ValueError):
    """A run that can't be started or continued; the message is one line."""


@dataclass
class TrainState(Generic[NetworkT]):
    """Everything that changes while training; a checkpoint holds all of it."""

    network: NetworkT
    average: NetworkT
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    step: int = 0


@dataclass(frozen=True)
class Rates:
    """Highest learning rates of pre-trained trunks and of the rest, weight decay, and the share of steps to warm up."""

    trunk: float
    rest: float
    weight_decay: float
    warm_up: float


def start_state(network: NetworkT, average: NetworkT, rates: Rates, steps: int) -> TrainState[NetworkT]:
    """AdamW and a one-cycle schedule over so many steps; `average`, of the same layers, becomes the network's copy.

    On a processor the network is changed by `keep_depthwise_precise`.
    """
    if next(network.parameters()).device.type == "cpu":
        keep_depthwise_precise(network)
    average.to(next(network.parameters()).device).load_state_dict(network.state_dict())
    groups = []
    for in_trunk, rate in ((True, rates.trunk), (False, rates.rest)):
        named = [item for item in network.named_parameters() if item[1].requires_grad]
        own = [p for name, p in named if ("trunk" in name.split(".")) == in_trunk]
        groups.append({"params": [p for p in own if p.ndim > 1], "lr": rate})
        groups.append({"params": [p for p in own if p.ndim <= 1], "lr": rate, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, weight_decay=rates.weight_decay)
    highest = [group["lr"] for group in optimizer.param_groups]
    # OneCycleLR divides by zero where warming up is exactly one step.
    warm_up = min(0.9, max(rates.warm_up, 1.5 / steps))
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, total_steps=steps, pct_start=warm_up)
    return TrainState(network, average.eval(), optimizer, scheduler)


def quickest_precision(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where that is quicker: on GPUs and on processors that multiply its matrices (AMX)."""
    tell = getattr(torch.cpu, "get_capabilities", dict)  # not in older versions of torch
    processor: Mapping[str, object] = tell()
    quicker = device.type == "cuda" or bool(processor.get("amx_bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=quicker)


def keep_depthwise_precise(network: nn.Module) -> None:
    """Compute depthwise convolutions in float32 always: on processors their gradients are slower in bfloat16."""

    def precise(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float()).to(x.dtype)

    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.forward = partial(precise, module.forward)  # type: ignore[method-assign]


def descend(state: TrainState[NetworkT], loss: Tensor, average_decay: float) -> None:
    """Change the weights by a loss's gradient, and their average with them."""
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
    state.optimizer.step()
    state.scheduler.step()
    state.step += 1
    update_average(state.average, state.network, average_decay, state.step)


def digest_of(*parts: object) -> str:
    """What tells a run's data and starting weights (tensors, arrays and all that has a telling `repr`) from others."""
    digest = hashlib.sha256()
    for part in parts:
        array = part.detach().cpu().numpy() if isinstance(part, Tensor) else part
        digest.update(array.tobytes() if isinstance(array, np.ndarray) else repr(array).encode())
    return digest.hexdigest()


def save_checkpoint(state: TrainState[NetworkT], settings: dict[str, Any], path: Path) -> None:
    """Write all of the state and the run's settings to one file; an existing one is replaced whole."""
    unfinished = path.with_suffix(".unfinished")
    torch.save(
        {
            "settings": json.dumps(settings),
            "network": state.network.state_dict(),
            "average": state.average.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "scheduler": state.scheduler.state_dict(),
            "step": state.step,
        },
        unfinished,
    )
    unfinished.replace(path)


def load_checkpoint(state: TrainState[NetworkT], settings: dict[str, Any], path: Path) -> None:
    """Go on where a checkpoint stopped. Raises TrainError if it belongs to a run with other settings."""
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
        same = stored["settings"] == json.dumps(settings)
    except Exception as error:
        raise TrainError(f"{path}: damaged; delete it to start anew") from error
    if not same:
        raise TrainError(f"{path}: belongs to a run with other settings or data; give another --run, or delete it")
    state.network.load_state_dict(stored["network"])
    state.average.load_state_dict(stored["average"])
    state.optimizer.load_state_dict(stored["optimizer"])
    state.scheduler.load_state_dict(stored["scheduler"])
    state.step = stored["step"]


def hold_out_senders(senders: list[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose whole senders at random until they hold this share of the photos; True for the photos held out.

    Senders with more than a quarter of that share are never chosen, so that many people are held out, not one.
    """
    counts = dict(sorted(Counter(senders).items()))
    wanted, held = share * len(senders), 0
    small = [sender for sender, count in counts.items() if count <= max(1, wanted / 4)]
    chosen: set[str] = set()
    for sender in np.random.default_rng(seed).permutation(small):
        if held >= wanted:
            break
        chosen.add(str(sender))
        held += counts[str(sender)]
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
