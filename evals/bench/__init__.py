"""Speed and memory of Parley beside the raw engines, measured in the same run. `python -m evals.bench` prints them.

Each module holds one bench: `measure(folder, progress, …) -> list[Figure]`, where `folder` is empty and its own.
"""
