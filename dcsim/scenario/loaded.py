"""A scenario together with the places that it was loaded from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import Where
from dcsim.scenario.overrides import key_path
from dcsim.scenario.paths import PathError, data_folder, existing_folder, folder_of, resolve

if TYPE_CHECKING:
    from dcsim.scenario.positions import KeyPath
    from dcsim.scenario.spec import Scenario


@dataclass(frozen=True)
class Source:
    """What `dcsim run` was told, to be told it again: absolute paths, and changes as `key.path=value`.

    `scenario`: the scenario's file, None for facts made in Python. `data`: the folder to give as the data folder.
    `plugins`: folders with plug-ins from outside the package.
    """

    scenario: str | None = None
    data: str | None = None
    overrides: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A checked scenario and its surroundings.

    `file`: as the user gave it, for error texts. `folder`, `data`: where its paths are looked up, resolved.
    `plugins`: folders with plug-ins from outside the package, resolved. `notes`: what a reader should know,
    one sentence each. `source`: where all of this came from. `where`: file and line of a key, where there is a file.
    """

    scenario: Scenario
    file: str
    folder: Path
    data: Path | None = None
    plugins: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    source: Source = Source()
    where: Where | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def of(scenario: Scenario, *, data: str | Path | None = None, plugins: Iterable[str | Path] = ()) -> Loaded:
        """A scenario made in Python: its paths are looked up in the current folder, then in `data`."""
        folders = tuple(existing_folder(p, "plugins") for p in plugins)
        here, data_path = Path.cwd().resolve(), data_folder(data)
        source = Source(data=str(data_path or here), plugins=tuple(map(str, folders)))
        return Loaded(scenario, scenario.name, here, data_path, folders, source=source)

    @staticmethod
    def again(scenario: Scenario, source: Source) -> Loaded:
        """The scenario of a finished run, where it came from: its paths are looked up as they were then."""
        file = source.scenario or scenario.name
        folder = folder_of(Path(source.scenario)) if source.scenario else Path(source.data or Path.cwd())
        data = None if source.data is None else Path(source.data)
        return Loaded(scenario, file, folder, data, tuple(map(Path, source.plugins)), source=source)

    def place(self, path: KeyPath) -> tuple[str, int | None]:
        """File and line of a key, for error texts."""
        return (self.file, None) if self.where is None else self.where(path)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Gives the mistakes in the scenario that are found while it runs the file and the line of their keys."""
        try:
            yield
        except ScenarioError as error:
            raise ScenarioError(self._placed(problem) for problem in error.problems) from error

    def _placed(self, problem: Problem) -> Problem:
        path = key_path(problem.key)
        if problem.line is not None or problem.file not in ("", self.file) or path is None:
            return problem
        file, line = self.place(path)
        return replace(problem, file=file, line=line)

    def resolve(self, text: str, key: str = "") -> Path:
        """The file or folder that a path of the scenario names; ScenarioError names file, key and value."""
        try:
            return resolve(text, self.folder, self.data)
        except PathError as fault:
            raise ScenarioError(Problem(self.file, key, str(fault), got=f"'{text}'", fix=fault.fix)) from None
