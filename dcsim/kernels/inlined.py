"""How a formula is compiled that only other kernels call in their loops."""

from __future__ import annotations

from numba import njit

inlined = njit(cache=True, error_model="numpy", forceinline=True)
"""Part of its caller: LLVM inlines it, always. A step is some forty short formulae on records and tuples, and left
to its own measure LLVM calls half of them and passes the tuples through memory, 17 % slower; inlined by Numba
(`inline="always"`), they take twice as long to compile. No `fastmath`: contraction would make results depend on
whether the machine has fused multiply-add, and gains 4 %."""
