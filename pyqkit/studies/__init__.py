"""Work that takes hours: searches, sweeps and trainings, on one small framework.

A `study.Study` names tasks; `runner.run` does them in any number of processes, keeps what is done in a
folder, and goes on from there after whatever stopped it. docs/studies.md says how to write and run one.
"""

EVERY = 30.0  # seconds between checkpoints of a task
