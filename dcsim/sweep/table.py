"""The table of a sweep: a row a run, in the experiment's order, and what one asks of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim.errors import Problem, ScenarioError
from dcsim.sweep.columns import shown, typed

if TYPE_CHECKING:
    from dcsim.sweep.comparison import Comparison
    from dcsim.sweep.front import Front

FILES = ("table.parquet", "meta.json")


@dataclass(frozen=True)
class Table:
    """Runs by row. `axes`: names of the columns that were swept, without `seed`; `outputs`: those that matter.

    `rows`: values by column: the axes, `seed`, the summary, `status` and `error`. A whole table of a scenario that was
    swept stands as its TOML text.
    """

    name: str
    axes: tuple[str, ...]
    outputs: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        return f"<Table {self.name!r}: {len(self.rows)} runs over {', '.join(self.axes) or 'seeds'}>"

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def frame(self) -> Any:
        """The table as a pandas DataFrame; needs pandas."""
        import pandas

        return pandas.DataFrame({c: [row.get(c) for row in self.rows] for c in self.columns})

    def compare(self, baseline: Any = None, outputs: str | Sequence[str] = (), confidence: float = 0.95) -> Comparison:
        """The variants, and their paired differences from a baseline; see `sweep.compare.compare`."""
        from dcsim.sweep.compare import compare

        return compare(self, baseline, outputs, confidence)

    def pareto(self, first: str, second: str, *, maximize: str | Sequence[str] = ()) -> Front:
        """The points that no other beats in both outputs; see `sweep.front.pareto`."""
        from dcsim.sweep.front import pareto

        return pareto(self, first, second, maximize=maximize)

    def csv(self) -> str:
        """The table as CSV text: numbers in full, nothing where there is no value."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([shown(row.get(column)) for column in self.columns] for row in self.rows)
        return out.getvalue()

    def arrow(self) -> Any:
        """The table as a pyarrow Table; a column of numbers and texts is one of texts."""
        import pyarrow as pa

        return pa.table({column: typed([row.get(column) for row in self.rows]) for column in self.columns})

    @staticmethod
    def read(folder: Path) -> Table:
        """The table of a finished sweep; ScenarioError where the folder holds none."""
        import pyarrow.parquet as pq

        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            what = (
                "no such folder" if not folder.is_dir() else f"is not a finished sweep: it lacks {', '.join(missing)}"
            )
            raise ScenarioError(Problem(str(folder), "", what))
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            table = pq.read_table(folder / "table.parquet")
            axes, outputs, columns = tuple(meta["axes"]), tuple(meta["outputs"]), tuple(table.column_names)
            if not {*axes, "seed", "status"} <= set(columns):
                raise ValueError("meta.json and table.parquet are of two sweeps")
            return Table(str(meta["name"]), axes, outputs, columns, tuple(table.to_pylist()))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            what = f"is damaged: {str(error).splitlines()[0]}"
            raise ScenarioError(Problem(str(folder), "", what, fix="run the sweep again")) from None
