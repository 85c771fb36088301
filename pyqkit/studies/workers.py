"""Where slices of tasks run: in this process, in processes beside it, or on a Dask cluster."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pyqkit.errors import MissingToolError, UserError

_IDLE = 60.0  # seconds after which a process without work ends
_CONNECT = 15  # seconds to reach a scheduler
_WATCH = 1.0  # seconds between looks whether the study still runs


class WorkerLostError(UserError):
    """A worker process ended in the middle of a slice; everything before it is kept."""

    exit_code = 1


@dataclass(frozen=True)
class Workers:
    """An executor, and how many slices it runs at once."""

    executor: Executor
    count: int


@contextmanager
def workers(count: int, dask: str | None, threads: int) -> Iterator[Workers]:
    """Workers, ended with whatever ends this.

    Parameters
    ----------
    count : int
        Processes; 1 is this one. Not looked at with `dask`.
    dask : str or None
        Address of the scheduler of a cluster whose workers can import pyqkit and the study.
    threads : int
        Of BLAS in each process.
    """
    if dask is not None:
        with _cluster(dask) as found:
            yield found
    elif count == 1:
        yield Workers(_Here(), 1)
    else:
        with _processes(count, threads) as found:
            yield found


class _Here(Executor):
    """Runs what is submitted at once, so that Ctrl-C interrupts it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _processes(count: int, threads: int) -> Iterator[Workers]:
    """Joblib's own processes, which start anew instead of being forked."""
    try:
        from joblib.externals.loky import ProcessPoolExecutor
    except ModuleNotFoundError:
        raise MissingToolError(
            f"joblib was expected for {count} workers, but it is not installed; pip install "
            "'pyqkit[studies]', or take one worker"
        ) from None
    executor = ProcessPoolExecutor(
        count,
        timeout=_IDLE,
        initializer=_begin_worker,
        initargs=(os.getpid(),),
        env={"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)},
    )
    try:
        yield Workers(executor, count)
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def _begin_worker(study: int) -> None:
    """Leave Ctrl-C to the process that runs the study, and end when that is gone, in whatever way it went.

    Joblib ends a process that has grown by 300 MB since its first call, taking that for a leak; here it is
    what an evaluator keeps between calls, and the process that follows would make all of it again.
    """
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == study:
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Workers]:
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise MissingToolError(
            "distributed was expected for --dask, but it is not installed; pip install 'pyqkit[dask]'"
        ) from None
    try:
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"the address of a Dask scheduler was expected, such as tcp://host:8786, but {address} "
            f"cannot be reached ({error}); check it"
        ) from None
    try:
        count = len(client.scheduler_info(n_workers=-1)["workers"])
        if not count:
            raise UserError(f"a Dask cluster with workers was expected, but {address} has none; start some")
        yield Workers(client.get_executor(), count)
    finally:
        with suppress(OSError):
            client.close()


def is_lost(error: BaseException) -> bool:
    """Whether an executor says by `error` that a worker has ended."""
    from concurrent.futures.process import BrokenProcessPool

    return isinstance(error, (BrokenProcessPool, CancelledError)) or type(error).__name__ == "KilledWorker"
