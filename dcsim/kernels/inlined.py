"""How a formula is compiled that only other kernels call in their loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

Formula = TypeVar("Formula", bound=Callable[..., object])


def inlined(formula: Formula) -> Formula:
    """A formula that LLVM makes part of its caller, always.

    A step is some forty short formulae on records and tuples. Left to its own measure LLVM calls half of them and
    passes the tuples through memory, 17 % slower; inlined by Numba (`inline="always"`) they take twice as long to
    compile. No `fastmath`: contraction would make results depend on whether the machine has fused multiply-add, and
    gains 4 %. Wrappers for C, and for Python where the name is private, would only be compiled for nothing.
    """
    private = formula.__name__.startswith("_")
    options = {"no_cfunc_wrapper": True, "no_cpython_wrapper": private}
    made: Formula = njit(cache=True, error_model="numpy", forceinline=True, **options)(formula)  # type: ignore[call-overload]
    return made
