"""Loss: a job that cannot start at once is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dcsim.policies.decisions import Decision, Reject, Start
from dcsim.policies.view import View


@dataclass(frozen=True)
class Loss:
    """No waiting room: a job starts at its submission or is rejected (Erlang's loss system)."""

    def decide(self, view: View) -> Iterable[Decision]:
        """Start or reject every waiting job, in order of submission."""
        for job in view.waiting():
            allocation = view.place(job)
            yield Reject(job, view.lacking(job)) if allocation is None else Start(job, allocation)
