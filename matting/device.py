"""Devices, and memory on processors."""

import ctypes
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Given = TypeVar("Given")
Made = TypeVar("Made")


class DeviceError(ValueError):
    """A device that is not there; the message is one line."""


def choose_device(name: str) -> torch.device:
    """The device for "auto" (the GPU where there is one), "cpu" or "cuda". Raises DeviceError if it is not there."""
    if name not in {"auto", "cpu", "cuda"}:
        raise DeviceError(f"--device {name}: give auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: there is no GPU that torch can use; give --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def keep_freed_memory() -> None:
    """Have glibc keep freed memory: fetching the same large blocks from the system every step takes a third of it."""
    if sys.platform == "linux":
        trim_threshold, mmap_max = -1, -4  # names of mallopt's parameters in malloc.h
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(mmap_max, 0)
            libc.mallopt(trim_threshold, 2**31 - 1)


def one_a_core(work: Callable[[Given], Made], items: Sequence[Given]) -> list[Made]:
    """Do a piece of work for each item, as many at once as torch has threads, each in a single thread.

    Networks as small as ours gain little from a second thread, and nearly all of it from a second photo.
    """
    cores = torch.get_num_threads()
    if cores == 1 or len(items) < 2:
        return [work(item) for item in items]
    try:
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as threads:
            return list(threads.map(work, items))
    finally:
        torch.set_num_threads(cores)  # what the threads set holds for those that are started later
