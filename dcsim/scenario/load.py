"""A scenario file and all that it names, read and checked: the one way from TOML to facts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dcsim.scenario import overrides as changes
from dcsim.scenario.layers import read_layers
from dcsim.scenario.loaded import Loaded, Source
from dcsim.scenario.mistakes import Mistakes
from dcsim.scenario.paths import data_folder, existing_folder, folder_of, resolve

if TYPE_CHECKING:
    from dcsim.scenario.drafts import Look


def load(
    path: str | Path,
    *,
    data: str | Path | None = None,
    overrides: Iterable[str | changes.Override] = (),
    plugins: Iterable[str | Path] = (),
    look: Look = lambda _: (),
) -> Loaded:
    """Read and check a scenario.

    `data`: the folder in which paths are looked up after the scenario's own; by default that of the
    environment variable DCSIM_DATA. `overrides`: changes, as `key.path=value` or read. `plugins`: folders with plug-in
    files from outside the package. `look`: says what else is wrong with the jobs of a file with mistakes. Raises
    ScenarioError, or another DcsimError, with all mistakes.
    """
    # pydantic and the models take 0.2 s to import: the package `dcsim.scenario` shall not cost that.
    from dcsim.scenario.check import Places, check

    file = str(path)
    folder = folder_of(Path(path))
    data_path = data_folder(data)
    plugin_paths = tuple(existing_folder(p, "--plugins") for p in plugins)
    overrides = tuple(overrides)
    parsed = [changes.parse(change) if isinstance(change, str) else change for change in overrides]
    told = tuple(change if isinstance(change, str) else change.text for change in overrides)
    layers = read_layers(Path(path), file, folder, data_path)
    changes.apply(parsed, layers)
    places = Places(file, plugin_paths, lambda text: resolve(text, folder, data_path))
    scenario, notes = check(layers.tree, Mistakes(layers.where), places, look)
    data_text = None if data_path is None else str(data_path)
    source = Source(str(Path(path).absolute()), data_text, told, tuple(map(str, plugin_paths)))
    return Loaded(scenario, file, folder, data_path, plugin_paths, notes, source, layers.where)
