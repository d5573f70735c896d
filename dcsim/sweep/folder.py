"""The folder of a sweep: what lies where, and whose it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dcsim import results
from dcsim.errors import EnvironmentFault, Problem, ScenarioError
from dcsim.sweep.experiment import Experiment
from dcsim.sweep.store import Store, finished
from dcsim.sweep.work import Outcome

OWNER = "experiment.json"
STORE = "runs{}.sqlite"
SHARDED = r"runs-\d+-of-(\d+)\.sqlite"


@dataclass(frozen=True)
class Shard:
    """Which part of the runs: the `number`-th of `count`; the whole is 1 of 1."""

    number: int = 1
    count: int = 1

    @staticmethod
    def of(pair: tuple[int, int] | None) -> Shard:
        """The shard i of n, or the whole."""
        return Shard() if pair is None else Shard(*pair)

    @property
    def suffix(self) -> str:
        """What the names of its files have; shards of one sweep never share a file."""
        return "" if self.count == 1 else f"-{self.number}-of-{self.count}"

    def part(self, keys: Sequence[str]) -> range:
        """Numbers of its runs."""
        return range(self.number - 1, len(keys), self.count)


@dataclass(frozen=True)
class Folder:
    """A sweep's folder, seen by one shard."""

    path: Path
    shard: Shard

    @property
    def is_there(self) -> bool:
        """Whether a sweep has been here."""
        return (self.path / OWNER).is_file()

    @property
    def lock(self) -> Path:
        """The file that is locked while somebody is at work."""
        return self.path / f"lock{self.shard.suffix}"

    @property
    def traces(self) -> Path:
        """Folder of parsed traces."""
        return self.path / "traces"

    @property
    def runs(self) -> Path:
        """Folder of whole runs, where they are kept."""
        return self.path / "runs"

    def make(self, experiment: Experiment) -> None:
        """Make the folder if it is not there.

        ScenarioError where it belongs to an experiment with another base, EnvironmentFault where it cannot be made or
        is something else.
        """
        owner = {"name": experiment.name, "base": os.path.relpath(experiment.base, self.path.resolve())}
        there = self.path / OWNER
        if self.path.exists() and not self.is_there and (not self.path.is_dir() or any(self.path.iterdir())):
            what = "stands where results go, and is no earlier sweep; it was left untouched"
            raise EnvironmentFault(Problem(str(self.path), "--out", what))
        results.make_folder(self.path, "--out")
        known = _read(there) if self.is_there else owner
        base = self.path / str(known.get("base"))
        # By its way from here, since both may be copied; one that is gone has moved, or is on another machine.
        if known != owner and base.exists() and not base.samefile(experiment.base):
            what = f"holds an experiment of this name with another base, '{base.resolve()}'"
            fix = "give the experiment another name, or use another --out"
            raise ScenarioError(Problem(str(self.path), "base", what, f"'{experiment.base}'", fix=fix))
        results.write_text(there, json.dumps(owner) + "\n")

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store of this shard."""
        store = Store(self.path / STORE.format(self.shard.suffix))
        try:
            yield store
        finally:
            store.close()

    def elsewhere(self, told: Callable[[str], None]) -> dict[str, Outcome]:
        """What all others keep here, who may be at work: other shards, and the whole sweep. `told` takes what the user
        should know of it."""
        found: dict[str, Outcome] = {}
        for path in self._stores():
            if path.name != STORE.format(self.shard.suffix):
                outcomes, why = finished(path)
                found |= outcomes
                if why is not None:
                    told(f"{path.name} is not read as a whole: {why}")
        return found

    def lacking(self, missing: Sequence[int]) -> list[Shard]:
        """The shards to which missing runs, by number, belong, if the sweep is shared out as it was last; none where
        it never was."""
        stores = sorted(self._stores(), key=lambda path: path.stat().st_mtime)
        counts = [int(match[1]) for path in stores if (match := re.fullmatch(SHARDED, path.name))]
        numbers = sorted({number % counts[-1] + 1 for number in missing}) if counts else []
        return [Shard(number, counts[-1]) for number in numbers]

    def _stores(self) -> list[Path]:
        return sorted(self.path.glob(STORE.format("*")))


def _read(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
