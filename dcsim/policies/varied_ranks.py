"""Running jobs by rank where jobs run at rates of their own."""

from __future__ import annotations

from math import inf

from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.ranks import Ranks
from dcsim.policies.view import View


class VariedRanks(Ranks):
    """Ranks by keys that change while jobs run, looked up anew when somebody asks at a later time.

    What remains of a job shrinks at a rate of its own, so that no order of all jobs stays while time passes.
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        super().__init__(scheduler, view)
        self._rate = 0.0  # keys are good for the instant at which they were looked up
        self._at_s = -inf

    def any_behind(self, key: Key) -> bool:
        """Whether a running job has a strictly larger key."""
        self._look_up()
        return super().any_behind(key)

    def behind(self, key: Key, most: int) -> list[int]:
        """Running jobs whose key is strictly larger, largest first; no more than `most`."""
        self._look_up()
        return super().behind(key, most)

    def _look_up(self) -> None:
        if self._unranked:
            self._rank()
        now = self._view.now
        if self._at_s != now:
            self._at_s = now
            for job in list(self._key_of):
                self.remove(job)
                seen = self._view.job(job)
                self.add(self._key(seen), job, seen, now)
