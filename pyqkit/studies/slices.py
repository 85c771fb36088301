"""What a worker does: a task goes on for some seconds.

No file is read or written here. A worker that was cut off from its study can finish and change nothing, and a
cluster needs no folder in common with it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyqkit.studies.checkpoint import Checkpoint
from pyqkit.studies.study import State, Study, Task

# Threads of one process (a Dask worker may have several) share torch's generators and thread counts.
_ONE_AT_A_TIME = threading.Lock()
_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def advance(study: Study[Any], task: Task[Any], last: Checkpoint | str, seconds: float) -> Checkpoint:
    """Let a task go on until it has finished, or `seconds` have passed and a step has ended.

    Parameters
    ----------
    last : Checkpoint or str
        Where it stands; the digest of the definition for one that has not begun.
    seconds : float
        Where they are cut decides nothing but how often a checkpoint is written.
    """
    with _ONE_AT_A_TIME, limited_threads(study.threads):
        wall, cpu = time.perf_counter(), time.process_time()
        if isinstance(last, str):
            last = Checkpoint(last, task.name, 0, False, study.begin(task), (), 0.0, 0.0)
        state, done, curve = last.state, last.steps, list(last.curve)
        total = study.steps(task)
        while done < total:
            state = study.step(task, done, state)
            done += 1
            if state.point:
                curve.append({"step": done, **state.point})
            if time.perf_counter() - wall >= seconds:
                break
        finished = done >= total
        return Checkpoint(
            last.study,
            task.name,
            done,
            finished,
            study.result(task, state) if finished else State(state.values, state.arrays),
            tuple(curve),
            last.wall_s + time.perf_counter() - wall,
            last.cpu_s + time.process_time() - cpu,
        )


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Threads of BLAS, OpenMP and torch, of libraries that are loaded and of those that will be."""
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in _COUNTS}
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    try:
        os.environ.update(dict.fromkeys(_COUNTS, str(count)))
        with threadpool_limits(count):
            if torch:
                torch.set_num_threads(count)
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if torch:
            torch.set_num_threads(threads)
