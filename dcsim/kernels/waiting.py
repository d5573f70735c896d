"""Waiting for the slowest of n workers, and for data: closed forms in place of random draws.

A step ends when its last worker does. With independent worker times, the expected largest of n is the mean over
uniform w of the quantile at w^(1/n); for some laws that has a closed form. A worker that is always slow does not
average out: the job then simply runs at its pace.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

EULER = 0.5772156649015329
FIRST_TERMS = 16.0  # of a harmonic number, added one by one; beyond, its asymptotic series is exact to 1e-10

# Gauss-Hermite nodes and weights of the standard normal density; 24 are right to 1e-11 up to a variation of 1.3.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
WEIGHTS = WEIGHTS / math.sqrt(2.0 * math.pi)


@njit(cache=True)
def normal_quantile(p: float) -> float:
    """Quantile of the standard normal distribution at 0 < p < 1, relative error below 1e-14.

    Acklam's rational approximation (error 1e-9), then one step of Halley's method on the complementary error
    function.
    """
    if p > 0.5:
        return -normal_quantile(1.0 - p)
    if p > 0.02425:
        q = p - 0.5
        r = q * q
        top = -39.69683028665376 * r + 220.9460984245205
        top = (((top * r - 275.9285104469687) * r + 138.3577518672690) * r - 30.66479806614716) * r + 2.506628277459239
        low = -54.47609879822406 * r + 161.5858368580409
        low = (((low * r - 155.6989798598866) * r + 66.80131188771972) * r - 13.28068155288572) * r + 1.0
        x = q * top / low
    else:
        q = math.sqrt(-2.0 * math.log(p))
        top = (-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838
        top = ((top * q - 2.549732539343734) * q + 4.374664141464968) * q + 2.938163982698783
        low = (7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996
        low = (low * q + 3.754408661907416) * q + 1.0
        x = top / low
    error = 0.5 * math.erfc(-x / math.sqrt(2.0)) - p
    step = error * math.sqrt(2.0 * math.pi) * math.exp(0.5 * x * x)
    return x - step / (1.0 + 0.5 * x * step)


@njit(cache=True)
def harmonic(n: float) -> float:
    """The sum of 1/k for k up to n, a whole number from 1."""
    if n > FIRST_TERMS:
        return math.log(n) + EULER + 1.0 / (2.0 * n) - 1.0 / (12.0 * n**2) + 1.0 / (120.0 * n**4)
    total = 0.0
    for k in range(1, int(n) + 1):
        total += 1.0 / k
    return total


@njit(cache=True)
def slowest_normal(mean_s: float, deviation_s: float, n: float) -> float:
    """Expected largest of n normal times, s; from 5 to 10,000 workers, right to 2 % of the deviation.

    Source: Blom 1958, Statistical Estimates and Transformed Beta-Variables.
    """
    return mean_s + deviation_s * normal_quantile((n - 0.375) / (n + 0.25))


@njit(cache=True)
def slowest_exponential(mean_s: float, n: float) -> float:
    """Expected largest of n exponential times, s: the mean times the n-th harmonic number, exactly."""
    return mean_s * harmonic(n)


@njit(cache=True)
def largest_z(w_z: float, n: float) -> float:
    """The z whose Phi(z) is Phi(w_z)^(1/n); the smaller tail is computed as such, so that n may be large."""
    if w_z > 0.0:
        log_w = math.log1p(-0.5 * math.erfc(w_z / math.sqrt(2.0)))
    else:
        log_w = math.log(0.5 * math.erfc(-w_z / math.sqrt(2.0)))
    p = math.exp(log_w / n)
    return normal_quantile(p) if p < 0.5 else -normal_quantile(-math.expm1(log_w / n))


@njit(cache=True)
def slowest_lognormal(mean_s: float, variation: float, n: float) -> float:
    """Expected largest of n log-normal times, s; `variation` is their deviation over their mean.

    The mean of the quantile at w^(1/n), by Gauss-Hermite quadrature over w = Phi(z).
    """
    sigma = math.sqrt(math.log1p(variation * variation))
    total = 0.0
    for i in range(len(NODES)):
        total += WEIGHTS[i] * math.exp(sigma * largest_z(NODES[i], n))
    return mean_s * math.exp(-0.5 * sigma * sigma) * total


@njit(cache=True)
def loading_s(samples: float, sample_b: float, loader_b_per_s: float, storage_b_per_s: float) -> float:
    """Time to bring samples to a worker, s: at its loader's rate or its share of storage, whichever is less."""
    return samples * sample_b / min(loader_b_per_s, storage_b_per_s)
