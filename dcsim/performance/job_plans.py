"""The plans of a scenario's training job in each pool: a planner's question, asked of what the job says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from dcsim.errors import Problem, ScenarioError, tried
from dcsim.kernels import facts
from dcsim.performance.devices import device_row
from dcsim.performance.network_request import NetworkRequest
from dcsim.performance.network_request import asked as asked_of_network
from dcsim.performance.network_run import NetworkRun
from dcsim.performance.placed import domain_size, nic_b_per_s
from dcsim.performance.planner import best, question
from dcsim.performance.plans import divisors
from dcsim.performance.reader import Reader, refuse
from dcsim.performance.request import USUAL_LAW, Request, asked
from dcsim.performance.search import search
from dcsim.performance.transformer_run import tokens_to_loss
from dcsim.scenario import presets
from dcsim.scenario.drafts import Drafts, oversize, size_key
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.spec import Accelerator, Pool
from dcsim.scenario.training import TrainingJob

SIZES = ("accelerators", "min_accelerators", "max_accelerators")
SAME = (
    "global_batch",
    "precision",
    "framework",
    "gradient_bytes",
    "optimizer",
    "sample_size",
    "loader_rate",
    "storage_bandwidth",
)
"""Keys of a job that a planner's question has too, by the same names."""


class Work(NamedTuple):
    """What a pool takes of a job: the question that its plans answer, and the plans by gang size.

    The request of a transformer has plans of all degrees; that of a network has the data-parallel ones.
    """

    request: Request | NetworkRequest
    plans: dict[int, facts.Plan]


def common_sizes(works: Mapping[int, Work]) -> tuple[int, ...]:
    """Gang sizes that have a plan in every pool, smallest first."""
    return tuple(sorted(set.intersection(*(set(work.plans) for work in works.values()))))


def works_of(job: TrainingJob, pools: Sequence[Pool], where: str) -> dict[int, Work]:
    """Plans in each pool that the job may use; ScenarioError with what each pool has against it where there is none."""
    found: dict[int, Work] = {}
    problems: list[Problem] = []
    may = {number: pool for number, pool in enumerate(pools) if job.pool in (None, pool.name)}
    for number, pool in may.items():
        if work := tried(problems, _work, job, pool, where):
            found[number] = work
    if not found:
        others = [problem for problem in problems if problem.key not in SIZES]
        # Numbers of accelerators near one that no pool has are no help.
        large = [] if others == problems else list(_of_its_size(job, may.values(), where))
        raise ScenarioError(dict.fromkeys([*large, *others] if large else problems))
    refuse(_at_odds(job, found, pools, where))
    return found


def _of_its_size(job: TrainingJob, pools: Iterable[Pool], where: str) -> Iterator[Problem]:
    """Says that a job is larger than every pool that it may use."""
    what, key = oversize(job, pools), size_key(job)
    if what is not None:
        yield Problem(where, key, what, str(getattr(job, key)))


def _at_odds(job: TrainingJob, works: Mapping[int, Work], pools: Sequence[Pool], where: str) -> Iterator[Problem]:
    """What the pools that a job may use do not agree on."""
    fix = f"write e.g. pool = {pools[next(iter(works))].name!r}"
    if not common_sizes(works):
        what = "no gang size has a plan in every pool that the job may use"
        yield Problem(where, "max_accelerators", what, fix=fix)
    devices = {pools[number].accelerator.name for number in works}
    for number, pool in enumerate(pools):
        # Jobs ask for kinds of accelerators, so they cannot keep away from one pool of a kind alone.
        if job.pool is None and number not in works and pool.accelerator.name in devices:
            what = f"has a plan in another pool of {pool.accelerator.name}, but none in {pool.name}"
            yield Problem(where, "pool", what, fix=fix)


def _work(job: TrainingJob, pool: Pool, where: str) -> Work:
    request = question_of(job, pool.accelerator, where)
    domain, nic = float(domain_size(pool)), nic_b_per_s(pool)
    family = None if isinstance(request, NetworkRequest) else request.framework.family
    request = replace(request, device=device_row(pool.accelerator, request.precision, family, domain, nic))
    if isinstance(request, NetworkRequest):
        return Work(request, _shares(job, NetworkRun(request)))
    return Work(request, _plans(job, request))


def question_of(job: TrainingJob, chip: Accelerator | None, where: str) -> Request | NetworkRequest:
    """What a job asks of an accelerator; ScenarioError with all that is wrong with it, None being one that is unknown.
    Keys of the job that are None, as in a draft, are as if they were not given."""
    given = {
        "seq_len": job.sequence_length,
        "count": job.accelerators,
        "jitter": job.jitter,
        **{name: getattr(job, name) for name in SAME},
        **(job.plan.model_dump() if job.plan else {}),
    }
    reader = Reader(where, given)
    return (
        asked_of_network(reader, job.model, chip) if isinstance(job.model, Network) else asked(reader, job.model, chip)
    )


def sizes_of(job: TrainingJob) -> range:
    """Gang sizes that a job allows."""
    if job.accelerators is not None:
        return range(job.accelerators, job.accelerators + 1)
    assert job.min_accelerators is not None
    assert job.max_accelerators is not None
    return range(job.min_accelerators, job.max_accelerators + 1)


def _shares(job: TrainingJob, run: NetworkRun) -> dict[int, facts.Plan]:
    """The data-parallel plan with the largest micro-batch that fits, by gang size: all that divide the batch."""
    even = [size for size in map(int, divisors(job.global_batch)) if size in sizes_of(job)]
    if not even:
        what, span = "no number of accelerators divides it", f"{job.min_accelerators} to {job.max_accelerators}"
        got, expected = str(job.global_batch), f"a multiple of one of {span}"
        refuse([Problem(run.request.where, "global_batch", what, got, expected)])
    fitting = {size: micro for size in even if (micro := run.micro_batch(size)) is not None}
    if not fitting:
        run.best(even[-1])  # says why
    return {size: _data_parallel(size, micro, job.global_batch) for size, micro in fitting.items()}


def _data_parallel(workers: int, micro_batch: int, batch: int) -> facts.Plan:
    one = dict.fromkeys(("tp", "pp", "vpp", "cp", "ep", "seq_len"), 1.0)
    return facts.Plan(**one, dp=float(workers), micro_batch=float(micro_batch), global_batch=float(batch))


def _plans(job: TrainingJob, request: Request) -> dict[int, facts.Plan]:
    """The fastest plan that fits, by gang size: of an elastic job, whole servers and parts of one."""
    sizes = sizes_of(job)
    if job.accelerators is not None:
        return {job.accelerators: best(request, job.accelerators).plan(0)}
    found = search(question(request, request.setting(None, most=sizes[-1])), top=1)
    plans = {_ranks(found.plan(row)): found.plan(row) for row in range(len(found))}
    kept = {size: plan for size, plan in plans.items() if size in sizes}
    if not kept:
        best(request, sizes[-1])  # says why
        what = "no plan fits on any whole number of servers, or part of one, within it"
        near = ", ".join(map(str, sorted(plans)[:5])) or None
        raise ScenarioError(
            Problem(request.where, "min_accelerators", what, f"{sizes[0]} to {sizes[-1]}", near and f"such as {near}")
        )
    return kept


def _ranks(plan: facts.Plan) -> int:
    return int(plan.tp * plan.pp * plan.cp * plan.dp)


def loss_tokens(job: TrainingJob, where: str) -> float | None:
    """Tokens until the loss that a job is to reach, None where it names none; ScenarioError where none reach it."""
    if job.target_loss is None or not isinstance(job.model, Transformer):
        return None
    return tokens_to_loss(job.model, job.law or presets.scaling_law(USUAL_LAW), job.target_loss, where)


def mistakes_in(found: Drafts) -> list[Problem]:
    """What is wrong with jobs of a scenario that has other mistakes, as far as these leave it to be told: see
    `scenario.drafts.Look`."""
    problems: list[Problem] = []
    for number, job in found.jobs.items():
        where, pools = f"jobs.{number}", found.pools_of(job)
        paths = [("jobs", number), *(("pools", other) for other in pools)]
        if pools and all(path in found.whole for path in paths):
            tried(problems, works_of, job, list(pools.values()), where)
        else:
            problems += _of_a_draft(job, list(pools.values()), where)
        tried(problems, loss_tokens, job, where)
    return problems


def _of_a_draft(job: TrainingJob, pools: Sequence[Pool], where: str) -> Iterator[Problem]:
    """What is wrong with a job whatever cannot be read of it and its pools."""
    chips: list[Accelerator | None] = [pool.accelerator for pool in pools]
    against: list[list[Problem]] = []
    for chip in chips if chips and None not in chips else [None]:
        against.append([])
        tried(against[-1], question_of, job, chip, where)
    yield from dict.fromkeys(chain.from_iterable(against)) if all(against) else ()
    yield from _of_its_size(job, pools, where)
