"""What communication takes: alpha-beta forms of collectives on two levels, scale-up links and NICs."""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.kernels.facts import Device
from dcsim.kernels.inlined import inlined


class Road(NamedTuple):
    """What a group of ranks sends over."""

    ranks: float
    b_s: float  # s a byte that leaves a rank
    latency_s: float  # of one collective


@inlined
def road(device: Device, inside: float, ranks: float, nic_share: float = 1.0) -> Road:
    """The road of a group whose neighbours are `inside` accelerators apart; servers are filled in that order.

    A group inside the scale-up domain uses its links. One that leaves it runs as rings through all the NICs that
    its local ranks own (NCCL), so a rank gets NIC bandwidth times the ranks a domain has of the group, at most that
    of the links; of NICs it has `nic_share`. Latency grows with each doubling (trees).
    """
    ranks = max(ranks, 1.0)
    local = min(max(device.domain / inside, 1.0), ranks)
    rate = device.link_b_per_s * device.link_efficiency
    if local < ranks:
        rate = min(device.nic_b_per_s * nic_share * device.nic_efficiency * local, rate)
    latency_s = device.link_latency_s * math.log2(local) + device.nic_latency_s * math.log2(ranks / local)
    return Road(ranks, 1.0 / rate, latency_s)


@inlined
def gather_s(size_b: float, way: Road) -> float:
    """All-gather to, or reduce-scatter from, `size_b` bytes: (n - 1)/n of them leave each rank, s; none, no message."""
    if size_b <= 0.0:
        return 0.0
    return size_b * (1.0 - 1.0 / way.ranks) * way.b_s + way.latency_s


@inlined
def all_reduce_s(size_b: float, way: Road) -> float:
    """Ring all-reduce: a reduce-scatter and an all-gather (Patarasuk and Yuan, JPDC 69, 2009), s."""
    return 2.0 * gather_s(size_b, way)


@inlined
def all_to_all_s(size_b: float, device: Device, inside: float, ranks: float) -> float:
    """Every rank sends 1/n of `size_b` to each other one: by links inside the domain, by its own NIC beyond, s."""
    if ranks <= 1.0:
        return 0.0
    local = min(max(device.domain / inside, 1.0), ranks)
    return _two_levels_s(size_b * (local - 1.0) / ranks, size_b * (ranks - local) / ranks, local, ranks, device)


@inlined
def dispatch_s(token_b: float, copies: float, device: Device, ranks: float, inside: float = 1.0) -> float:
    """Tokens to `copies` experts each, on ranks picked evenly, and the same way back takes as long, s.

    Neighbours are `inside` accelerators apart.

    A token crosses to another domain once, however many of its experts are there, and is spread by links there
    (node-limited dispatch: DeepSeek-AI 2024, arXiv 2412.19437, section 3.2.2). `token_b`: bytes of a rank's tokens.
    """
    if ranks <= 1.0:
        return 0.0
    local = min(max(device.domain / inside, 1.0), ranks)
    domains = ranks / local
    reached = domains * (1.0 - (1.0 - 1.0 / domains) ** copies) if domains > 1.0 else 1.0
    away_b = token_b * reached * (domains - 1.0) / domains
    return _two_levels_s(token_b * copies * (local - 1.0) / local, away_b, local, ranks, device)


@inlined
def _two_levels_s(links_b: float, nics_b: float, local: float, ranks: float, device: Device) -> float:
    links_s = links_b / (device.link_b_per_s * device.link_efficiency)
    nics_s = nics_b / (device.nic_b_per_s * device.nic_share_ep * device.nic_efficiency)
    return (
        links_s + nics_s + device.link_latency_s * math.log2(local) + (device.nic_latency_s if local < ranks else 0.0)
    )


@inlined
def send_s(size_b: float, device: Device, apart: float) -> float:
    """One message to the rank that is `apart` accelerators away, s."""
    if apart < device.domain:
        return size_b / (device.link_b_per_s * device.link_efficiency) + device.link_latency_s
    return size_b / (device.nic_b_per_s * device.nic_share_pp * device.nic_efficiency) + device.nic_latency_s


@inlined
def exposed_s(traffic_s: float, cover_s: float) -> float:
    """Traffic that computing does not hide when `cover_s` of it can, s."""
    return max(traffic_s - cover_s, 0.0)
