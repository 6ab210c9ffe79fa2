"""What the commands share: messages on standard error, progress, and errors as one line instead of a traceback."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from matting import leave_in_one_line

messages = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def say(message: str) -> None:
    """Tell something that is neither a result nor a problem."""
    messages.print(printable(message))


def warn(message: str) -> None:
    """Tell of a problem that does not stop the command."""
    messages.print(f"warning: {printable(message)}")


def fail(message: str, status: int = 1) -> NoReturn:
    """End the command with one line that says what failed."""
    messages.print(f"error: {printable(message)}")
    raise typer.Exit(status)


def printable(text: str) -> str:
    """The text in one line: newlines and other control characters, and bytes that are no text, are escaped."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in readable)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what may go wrong for a user's reason into one line and exit status 1.

    Errors that users cause are all ValueErrors or OSErrors with a message made for them; what remains is a mistake of
    ours and keeps its traceback out of their sight as well, unless Python runs with -X dev.
    """
    if signal.getsignal(signal.SIGINT) is leave_in_one_line:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except KeyboardInterrupt:
        fail("stopped; what is done is stored, and the same command goes on from there")
    except OSError as error:
        fail(f"{error.filename or 'system'}: {error.strerror or error}")
    except ValueError as error:
        fail(str(error))
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        fail(f"unexpected {type(error).__name__}: {error} (python -X dev shows where; please report it)")


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request to stop at the next good moment; a second one acts as usual.

    Yields a function that tells whether that was asked for. Ctrl-C reaches the main thread only; in others nobody asks.
    """
    wanted = False

    def request(*_: object) -> None:
        nonlocal wanted
        wanted = True
        signal.signal(signal.SIGINT, before)

    def in_main_thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    before = signal.getsignal(signal.SIGINT)
    if in_main_thread():
        signal.signal(signal.SIGINT, request)
    try:
        yield lambda: wanted
    finally:
        if in_main_thread():
            signal.signal(signal.SIGINT, before)


@contextmanager
def progress_bar(task: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a task is; yields a function to call with the number of things just done.

    On a terminal a bar, elsewhere a line at every tenth of the way.
    """
    if messages.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=messages, transient=True) as progress:
            bar = progress.add_task(task, total=total)
            yield lambda done: progress.advance(bar, done)
    else:
        count = 0

        def advance(done: int) -> None:
            nonlocal count
            tenth = count * 10 // total
            count += done
            if count * 10 // total > tenth:
                say(f"{task}: {count} of {total}")

        yield advance
