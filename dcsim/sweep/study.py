"""A search by Optuna that ends the same however often it is interrupted, and for any number of workers.

Points are chosen in batches of a fixed size, by a sampler that is seeded anew for each batch, from a study in memory
that knows all earlier batches and nothing else. Optuna's SQLite file holds what is settled, in order; a search that is
continued begins with the batch that is not complete there. Needs the extra `optimize`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from dcsim.errors import EnvironmentFault, Problem
from dcsim.sweep.axes import Axis, Choice, Listed
from dcsim.sweep.columns import plain_value
from dcsim.sweep.questions import Optimize
from dcsim.sweep.space import Answer
from dcsim.sweep.store import refuse_damage, set_aside

SAMPLERS = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
}


def distribution(axis: Axis) -> BaseDistribution:
    """What Optuna draws for an axis: a number of a range, the place in an ordered list, or a value of another list."""
    if not isinstance(axis, Listed):
        kind = IntDistribution if axis.whole else FloatDistribution
        return kind(axis.low, axis.high, log=axis.log)
    if axis.ordered:
        return IntDistribution(0, len(axis.choices) - 1)
    return CategoricalDistribution([plain_value(choice.value) for choice in axis.choices])


def setting(axis: Axis, drawn: Any) -> Choice:
    """The setting that Optuna's draw means."""
    if not isinstance(axis, Listed):
        return axis.set(drawn)
    return axis.choices[drawn if axis.ordered else [plain_value(c.value) for c in axis.choices].index(drawn)]


@contextmanager
def stored(path: Path, name: str, spec: Optimize, told: Callable[[str], None]) -> Iterator[optuna.Study]:
    """The study of this name in an SQLite file; EnvironmentFault where the file cannot be used.

    A damaged file is set aside, of which `told` hears: the same points are chosen again, and runs are kept elsewhere.
    """
    if (damage := _damage(path)) is not None:
        told(f"{set_aside(path, damage)}, and the search goes the same way again from its runs")
    shown = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = _opened(path)
        try:
            directions = list(spec.directions.values())
            yield optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise _fault(path, error) from None
    finally:
        optuna.logging.set_verbosity(shown)


def _damage(path: Path) -> sqlite3.DatabaseError | None:
    """What is wrong with the pages of an SQLite file, if anything is, and if there is one."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path)) as base:
            refuse_damage(base)
    except sqlite3.OperationalError:  # not damaged, but out of reach: opening it says why
        return None
    except sqlite3.DatabaseError as error:
        return error
    return None


def _opened(path: Path) -> optuna.storages.RDBStorage:
    try:
        return optuna.storages.RDBStorage(f"sqlite:///{path}")
    except RuntimeError as error:  # tables of another version of Optuna
        raise _fault(path, error) from None


def _fault(path: Path, error: Exception) -> EnvironmentFault:
    what = f"cannot be used by Optuna {optuna.__version__}: {str(error).splitlines()[0]}"
    fix = "move it away: runs are kept beside it, and the search goes the same way again"
    return EnvironmentFault(Problem(str(path), "", what, fix=fix))


def search(
    spec: Optimize,
    axes: Sequence[Axis],
    kept: optuna.Study,
    answer: Callable[[int, Sequence[Sequence[Choice]]], Sequence[Answer]],
) -> optuna.Study:
    """A study in memory with all trials: those that are kept, and others that are tried and then kept too.

    `answer`: makes the points of a batch; it is told the number of the first.
    """
    settled = kept.get_trials(deepcopy=False)[: spec.trials]
    whole = len(settled) if len(settled) == spec.trials else len(settled) // spec.batch * spec.batch
    study = optuna.create_study(directions=list(spec.directions.values()))
    study.add_trials(settled[:whole])
    drawn = {axis.name: distribution(axis) for axis in axes}
    for first in range(whole, spec.trials, spec.batch):
        seed = np.random.SeedSequence([spec.seed, first // spec.batch]).generate_state(1)
        study.sampler = SAMPLERS[spec.sampler](seed=int(seed[0]))
        asked = [study.ask(drawn) for _ in range(min(spec.batch, spec.trials - first))]
        points = [[setting(axis, trial.params[axis.name]) for axis in axes] for trial in asked]
        for trial, found in zip(asked, answer(first, points), strict=True):
            _tell(study, trial, found, spec)
        for told in study.get_trials(deepcopy=False)[max(first, len(settled)) :]:
            kept.add_trial(told)
    return study


def _tell(study: optuna.Study, trial: optuna.Trial, found: Answer, spec: Optimize) -> None:
    trial.set_user_attr("outputs", found.outputs)
    if found.excluded:
        study.tell(trial, state=TrialState.PRUNED)
        return
    if found.error is not None:
        trial.set_user_attr("error", found.error)
        study.tell(trial, state=TrialState.FAIL)
        return
    for name, violation in spec.violations(found.outputs).items():
        trial.set_constraint(name, violation)
    study.tell(trial, [found.outputs[key] for key in spec.directions])
