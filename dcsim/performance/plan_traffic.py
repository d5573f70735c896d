"""What a plan sends between scale-up domains in a step: which to which, how much, and of which kind.

Ranks fill the domains of a gang in their order, tensor-parallel neighbours first, then context, data and pipeline ranks
(Megatron-LM's order). Collectives of a group go around a ring of the domains that hold its ranks, through the NICs of
all of them (NCCL's rings): an all-gather of S bytes among n ranks sends S (n-1)/n over each hop of the ring. Experts
send to every other domain of their group, pipeline stages to the next stage and back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels.facts import FULL, UNSHARDED, ZERO3, Model, Plan
from dcsim.kernels.groups import Group, dense_group, element_b, expert_tensor, routed_group
from dcsim.kernels.layer import sparse_share
from dcsim.kernels.memory import key_value_width
from dcsim.kernels.stage import tensor_sums
from dcsim.kernels.synchronise import held_parameters
from dcsim.performance.shares import CP, DP, EP, PP, TP

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PEERS = 16
"""Of an all-to-all among more domains, that many shifts of all stand for the rest: flows would grow as the square."""


class Legs:
    """What domains of a gang send each other in a step: leg k carries `sent_b[k]` bytes of kind `kind[k]`, a place in
    `Shares`, from domain `here[k]` to domain `there[k]`. Shapes (legs,); domains have numbers from 0, in the order of
    the gang's ranks. `counts`: accelerators in each domain, which send over a NIC each."""

    def __init__(self, kind: Ints, here: Ints, there: Ints, sent_b: Floats, counts: Sequence[int]) -> None:
        self.kind, self.here, self.there, self.sent_b, self.counts = kind, here, there, sent_b, tuple(counts)

    def __len__(self) -> int:
        return len(self.sent_b)

    @cached_property
    def kinds(self) -> Ints:
        """Kinds that there are, ascending."""
        return np.unique(self.kind)

    @cached_property
    def number(self) -> Ints:
        """Number of each leg's kind among `kinds`."""
        return np.searchsorted(self.kinds, self.kind)

    @cached_property
    def nic_b(self) -> Floats:
        """Bytes of each of `kinds` that a NIC of the busiest domain sends or gets, all of which share the work."""
        return np.array([self._busiest(kind) for kind in self.kinds])

    @cached_property
    def part(self) -> Floats:
        """Speed of each leg over that of a NIC, while its kind is sent: all legs of a kind end together."""
        return self.sent_b / self.nic_b[self.number]

    def _busiest(self, kind: int) -> float:
        own, nics = self.kind == kind, np.array(self.counts, np.float64)
        ends = (np.bincount(side[own], self.sent_b[own], len(nics)) for side in (self.here, self.there))
        return float(max((sent_b / nics).max() for sent_b in ends))


@lru_cache(maxsize=4096)
def ring(counts: tuple[int, ...]) -> Legs:
    """A byte over each hop of a ring, for each accelerator of the domain with fewest: what a gang sends of which nobody
    knows more."""
    here = np.arange(len(counts))
    sent_b = np.full(len(counts), float(min(counts)))
    return Legs(np.full(len(counts), DP), here, (here + 1) % len(counts), sent_b, counts)


Piece = tuple[Ints, Ints, Ints, Floats]
"""Kind, from, to, bytes of some legs."""


def of_transformer(model: Model, plan: Plan, counts: Sequence[int]) -> Legs:
    """The legs of a transformer's plan. counts: accelerators of the gang in each domain, tp x cp x dp x pp of them.

    Sends of data-parallel ranks count whole, whether computing hides them or not.
    """
    rank = _domains(counts).reshape(int(plan.pp), int(plan.dp), int(plan.cp), int(plan.tp))
    found = [_around(kind, groups, hop_b) for kind, groups, hop_b in _rings(model, plan, rank) if hop_b > 0.0]
    found += _experts(model, plan, rank)
    found += _stages(model, plan, rank.reshape(int(plan.pp), -1))
    return _together(found, counts)


def of_network(gradients_b: float, exchanged_b: float, counts: Sequence[int]) -> Legs:
    """The legs of a data-parallel network: gradients that are summed, and what every rank has for all others together,
    bytes a step."""
    rank, members = _domains(counts), np.asarray(counts)
    summed = _around(DP, rank[None, :], _passed(2.0 * gradients_b, len(rank)))
    to_all = _to_all(np.arange(len(counts)), members, exchanged_b * members / len(rank))
    return _together([summed, to_all], counts)


def _domains(counts: Sequence[int]) -> Ints:
    """Domain of each rank."""
    return np.repeat(np.arange(len(counts)), counts)


def _passed(size_b: float, ranks: float) -> float:
    """What an all-gather to, or a reduce-scatter from, so many bytes sends over each hop of a ring."""
    return size_b * (1.0 - 1.0 / ranks)


def _micro_batches(plan: Plan) -> int:
    return math.ceil(plan.global_batch / (plan.dp * plan.micro_batch))


def _rings(model: Model, plan: Plan, rank: Ints) -> Iterator[tuple[int, Ints, float]]:
    """Kind, groups and bytes over each hop of all collectives. rank: domains, shape (pp, dp, cp, tp)."""
    tokens = plan.micro_batch * plan.seq_len / plan.cp
    layers = _micro_batches(plan) * model.layers / plan.pp
    again = 1.0 if plan.recompute == FULL else 0.0
    blocks = tensor_sums(model, plan, sparse_share(model))
    summed_b = 2.0 * _passed(element_b(plan) * tokens * model.hidden, plan.tp)
    yield TP, rank.reshape(-1, int(plan.tp)), layers * (2.0 + again) * blocks * summed_b
    key_value_b = element_b(plan) * tokens * plan.cp * key_value_width(model, plan)
    yield CP, _strided(rank, plan.tp, plan.cp), layers * (3.0 + again) * _passed(key_value_b, plan.cp)
    held = held_parameters(model, plan)
    for parameters, group in ((held.dense, dense_group(plan)), (held.routed, routed_group(plan))):
        if plan.sharding >= ZERO3:
            yield from _sharded(model, plan, rank, parameters, group)
            continue
        sent_b = plan.gradient_bytes * (2.0 if plan.sharding == UNSHARDED or plan.sum_whole > 0.0 else 1.0)
        sent_b += 0.0 if plan.sharding == UNSHARDED else element_b(plan)
        passed_b = _passed(sent_b * model.trainable * parameters, group.ranks)
        yield DP, _strided(rank, group.apart, group.ranks), passed_b


def _sharded(
    model: Model, plan: Plan, rank: Ints, parameters: float, group: Group
) -> Iterator[tuple[int, Ints, float]]:
    """ZeRO-3, FSDP, HSDP: weights gathered twice and gradients scattered in each micro-batch; sums of shards."""
    gradients_b = plan.gradient_bytes * model.trainable * parameters
    each_b = _passed(2.0 * element_b(plan) * parameters + gradients_b, group.shards)
    yield DP, _strided(rank, group.apart, group.shards), _micro_batches(plan) * each_b
    copies, sum_b = group.ranks / group.shards, 2.0 * gradients_b / group.shards
    yield DP, _strided(rank, group.apart * group.shards, copies), _passed(sum_b, copies)


def _strided(rank: Ints, apart: float, size: float) -> Ints:
    """Groups of `size` ranks of a stage, each `apart` accelerators from the next, shape (groups, size)."""
    grid = rank.reshape(-1, int(size), int(apart))
    return grid.transpose(0, 2, 1).reshape(-1, int(size))


def _around(kind: int, groups: Ints, hop_b: float) -> Piece:
    """Rings of groups of ranks, shape (groups, ranks): what stays in a domain is no leg."""
    there = np.roll(groups, -1, axis=1)
    away = groups != there
    return np.full(int(away.sum()), kind), groups[away], there[away], np.full(int(away.sum()), hop_b)


def _experts(model: Model, plan: Plan, rank: Ints) -> Iterator[Piece]:
    """Dispatch and combine: a token crosses to another domain once, however many of its experts are there (as
    `kernels.traffic.dispatch_s`)."""
    if plan.ep <= 1.0:
        return
    sparse, again = sparse_share(model), 1.0 if plan.recompute == FULL else 0.0
    tokens = plan.micro_batch * plan.seq_len / plan.cp
    token_b = element_b(plan) * tokens * model.capacity * model.hidden / plan.tp
    passes = 2.0 * (2.0 + again) * sparse * _micro_batches(plan) * model.layers / plan.pp
    groups, times = np.unique(_strided(rank, expert_tensor(plan), plan.ep), axis=0, return_counts=True)
    for group, same in zip(groups, times.tolist(), strict=True):
        domains, members = np.unique(group, return_counts=True)
        reached = 1.0 - (1.0 - members / len(group)) ** model.top_k
        yield _to_all(domains, same * members, passes * token_b * reached)


def _to_all(domains: Ints, members: Ints, each_b: Floats) -> Piece:
    """Each of `members[k]` ranks in domain k sends `each_b[m]` to each other domain m."""
    count = len(domains)
    shifts = np.arange(1, count)
    if len(shifts) > PEERS:
        shifts = np.linspace(1, count - 1, PEERS).round().astype(np.int64)
    here = np.tile(np.arange(count), len(shifts))
    there = (here + np.repeat(shifts, count)) % count
    sent_b = members[here] * each_b[there] * ((count - 1) / max(len(shifts), 1))
    return np.full(len(here), EP), domains[here], domains[there], sent_b


def _stages(model: Model, plan: Plan, stage: Ints) -> Iterator[Piece]:
    """Activations to the next stage and gradients back, of every chunk: each tensor-parallel rank sends its share.

    stage: domains, shape (pp, ranks of each).
    """
    if plan.pp <= 1.0:
        return
    tokens = _micro_batches(plan) * plan.micro_batch * plan.seq_len / plan.cp
    sent_b = element_b(plan) * tokens * model.hidden / plan.tp
    for here, there, chunks in ((stage[:-1], stage[1:], plan.vpp), (stage[-1:], stage[:1], plan.vpp - 1.0)):
        away = (here != there) & (chunks > 0.0)
        ends = here[away], there[away]
        for a, b in (ends, ends[::-1]):
            yield np.full(len(a), PP), a, b, np.full(len(a), chunks * sent_b)


def _together(found: Sequence[Piece], counts: Sequence[int]) -> Legs:
    """Legs of one kind between the same domains as one, by kind and domains."""
    nowhere = np.empty(0, np.int64)
    nothing: Piece = (nowhere, nowhere, nowhere, np.empty(0))
    kind, here, there, sent_b = (np.concatenate(column) for column in zip(nothing, *found, strict=True))
    most = len(counts)
    key, place = np.unique((kind * most + here) * most + there, return_inverse=True)
    first, there = np.divmod(key, most)
    kind, here = np.divmod(first, most)
    total_b: Floats = np.bincount(place, sent_b, len(key)).astype(np.float64)
    some = total_b > 0.0
    return Legs(kind[some], here[some], there[some], total_b[some], counts)
