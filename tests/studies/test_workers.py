"""Processes of a study live as long as it does."""

import os
import time

import numpy as np

from pyqkit.studies.workers import workers

KEPT: list[np.ndarray] = []


def keep(megabytes: int) -> int:
    """Keep so much between calls, for longer than Joblib waits between its looks at a process."""
    KEPT.append(np.ones(megabytes << 20, np.uint8))
    time.sleep(1.1 if megabytes > 1 else 0)
    return os.getpid()


def test_a_process_that_keeps_much_is_not_replaced():
    """Joblib takes 300 MB more than after the first call for a leak, and starts the process anew."""
    with workers(2, None, 1) as crew:
        first = {crew.executor.submit(keep, 1).result() for _ in range(20)}
        grown = [crew.executor.submit(keep, 320) for _ in range(4)]
        after = {future.result() for future in grown}
    assert len(first) <= 2
    assert len(first | after) <= 2
