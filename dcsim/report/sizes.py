"""Job size classes: the powers of two, as users ask for accelerators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DASH = "\u2013"  # between the ends of a range


@dataclass(frozen=True)
class SizeClasses:
    """Classes of jobs by accelerators, small to large. `of_job`: class of each job, shape (jobs,)."""

    labels: tuple[str, ...]
    of_job: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.labels)


def size_classes(accelerators: NDArray[np.int32]) -> SizeClasses:
    """Classes 0, 1, 2, 3-4, 5-8, 9-16 and so on; only those that occur, named by the sizes that occur in them."""
    power = np.where(accelerators > 0, np.ceil(np.log2(np.maximum(accelerators, 1))), -1.0).astype(np.intp)
    present, of_job = np.unique(power, return_inverse=True)
    least = np.full(len(present), np.iinfo(np.int32).max)
    most = np.zeros(len(present), np.int64)
    np.minimum.at(least, of_job, accelerators)
    np.maximum.at(most, of_job, accelerators)
    labels = tuple(str(a) if a == b else f"{a}{DASH}{b}" for a, b in zip(least.tolist(), most.tolist(), strict=True))
    return SizeClasses(labels, of_job)
