"""Optimisers: what they keep for each parameter, and what their step moves."""

from __future__ import annotations

from typing import NamedTuple


class Optimizer(NamedTuple):
    """Bytes a parameter. `states_b` of dense layers has the fp32 master weights; `traffic_b` is what a step reads and
    writes there in mixed precision. Embedding tables are their own fp32 master copy, and only rows that were looked up
    are read and written: `table_states_b` is what stands beside each element.
    """

    words: str
    states_b: float
    traffic_b: float
    table_states_b: float


USUAL = "adam"  # of transformers; networks have each their own
OPTIMIZERS = {
    "adam": Optimizer("Adam", 12.0, 30.0, 8.0),
    "sgd": Optimizer("SGD with momentum", 8.0, 18.0, 0.0),
    "adagrad": Optimizer("Adagrad", 8.0, 18.0, 4.0),
}
"""By name. Beside a table, as the fused kernels of FBGEMM have it: nothing for SGD, which has no momentum there, a sum
of squares for Adagrad, two moments for Adam (pytorch/FBGEMM, split_table_batched_embeddings_ops.py)."""
