"""What one micro-batch takes on one transformer layer, and on the head, of one accelerator: computing alone.

Operations of a layer add: on one stream they do not overlap. FLOP and byte counts: Narayanan 2021
(arXiv 2104.04473, appendix), Korthikanti 2022 (arXiv 2205.05198); data movement of elementwise work: Ivanov 2021
(arXiv 2007.00072); fused attention: Dao 2022 (arXiv 2205.14135).
"""

from __future__ import annotations

from typing import NamedTuple

from dcsim.kernels.facts import Model, Plan
from dcsim.kernels.inlined import inlined
from dcsim.kernels.memory import attention_parameters
from dcsim.kernels.roofline import TILE_ROWS, Rates, product

FORWARD_KERNELS = 14.0  # launched for one layer: products, attention, norms, activation, residuals
BACKWARD_KERNELS = 26.0
GATED_KERNELS = 8.0  # more, forward, of layers like Llama's: rotary positions, gate; twice as many backward
EXPERT_KERNELS = 20.0  # more for routing, sorting and grouped products, each way
ALIGNED = 8.0  # elements: matrix engines read rows of 16 bytes (NVIDIA, Matrix multiplication background, section 3)
GRADIENT_BYTES = 6.0  # a parameter held: an optimiser step reads its gradient (4) and writes its 16-bit weight (2)


class Times(NamedTuple):
    """Computing time of one micro-batch on a part of the model, s."""

    forward_s: float
    input_s: float  # backward: gradients of activations
    weight_s: float  # backward: gradients of weights
    memory_s: float  # part of all three that device memory bounds


class Held(NamedTuple):
    """Parameters on one rank before data-parallel ranks share them out: routed experts, and all others."""

    dense: float
    routed: float


@inlined
def linear(rows: float, columns: float, depth: float, element_b: float, at: Rates) -> Times:
    """A linear layer: forward, gradient of its input, gradient of its weights."""
    low = element_b < 2.0
    forward_s, bound_f = product(rows, columns, depth, element_b, low, at)
    input_s, bound_i = product(rows, depth, columns, element_b, low, at)
    weight_s, bound_w = product(columns, depth, rows, element_b, low, at)
    return Times(forward_s, input_s, weight_s, bound_f + bound_i + bound_w)


@inlined
def add(a: Times, b: Times) -> Times:
    """One part after the other."""
    return Times(a.forward_s + b.forward_s, a.input_s + b.input_s, a.weight_s + b.weight_s, a.memory_s + b.memory_s)


@inlined
def mix(a: Times, b: Times, share: float) -> Times:
    """(1 - share) of the one and a share of the other."""
    return Times(
        a.forward_s + share * (b.forward_s - a.forward_s),
        a.input_s + share * (b.input_s - a.input_s),
        a.weight_s + share * (b.weight_s - a.weight_s),
        a.memory_s + share * (b.memory_s - a.memory_s),
    )


@inlined
def sparse_share(model: Model) -> float:
    """Share of layers whose feed-forward part is routed experts."""
    return (model.layers - model.dense_layers) / model.layers if model.experts > 0.0 else 0.0


@inlined
def layer_parameters(model: Model, plan: Plan) -> Held:
    """Parameters of the average layer on one rank."""
    sparse = sparse_share(model)
    matrices = (2.0 + model.gated) * model.hidden
    crossed = 1.0 + model.cross_layers / model.layers
    width = (1.0 - sparse) * model.ffn_hidden + sparse * model.shared_hidden
    dense = attention_parameters(model) * crossed + matrices * width
    routed = sparse * matrices * model.expert_hidden * model.experts
    return Held(dense * (1.0 / plan.tp), routed / (plan.tp * plan.ep))


@inlined
def accumulated(parameters: float, plan: Plan, at: Rates) -> Times:
    """Adding the gradients of one micro-batch to those before, where the product itself does not."""
    seconds = plan.accumulate_b * parameters * at.memory_s
    return Times(0.0, 0.0, seconds, seconds)


@inlined
def moved(forward_b: float, backward_b: float, at: Rates) -> Times:
    """Work that only moves bytes."""
    forward_s, input_s = forward_b * at.memory_s, backward_b * at.memory_s
    return Times(forward_s, input_s, 0.0, forward_s + input_s)


@inlined
def attention_core(model: Model, plan: Plan, at: Rates) -> Times:
    """Scores, soft-max and context of one micro-batch on one rank; heads are cut by tp, queries by cp.

    A fused kernel skips the half above the diagonal and computes scores again backward (2.5 x forward). Unfused, the
    whole square is computed and passes through memory about five times each way.
    """
    heads = model.heads * (1.0 / plan.tp)
    value_dim = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    width = model.head_dim + model.rope_dim + value_dim
    queries = plan.seq_len * (1.0 / plan.cp)
    pairs = plan.micro_batch * heads * queries * plan.seq_len
    if plan.flash > 0.0:
        seen = 0.5 if model.causal > 0.0 else 1.0
        if 0.0 < model.window < seen * plan.seq_len:
            seen = model.window / plan.seq_len
        forward_s = 2.0 * seen * (pairs + at.idle_rows * plan.seq_len) * width * at.attention_s
        return Times(forward_s, 2.5 * forward_s, 0.0, 0.0)
    flop_s = at.half_s if model.head_dim % ALIGNED == 0.0 else at.vector_s
    products_s = 2.0 * pairs * (width + 2.0 * at.half_fill) * flop_s
    bytes_s = 10.0 * pairs * at.memory_s
    return Times(products_s + bytes_s, 2.0 * products_s + bytes_s, 0.0, 2.0 * bytes_s)


@inlined
def projections(model: Model, plan: Plan, tokens: float, at: Rates) -> Times:
    """Query, key, value and output projections, plain or latent (DeepSeek-V2, arXiv 2405.04434)."""
    share = 1.0 / plan.tp
    heads = model.heads * share
    value_dim = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    element_b = plan.linear_bytes
    out = linear(tokens, model.hidden, heads * value_dim, element_b, at)
    if model.kv_rank <= 0.0:
        kv = max(model.kv_heads * share, 1.0)
        return add(out, linear(tokens, (heads + 2.0 * kv) * model.head_dim, model.hidden, element_b, at))
    down = linear(tokens, model.q_rank + model.kv_rank + model.rope_dim, model.hidden, element_b, at)
    key_value = linear(tokens, heads * (model.head_dim + value_dim), model.kv_rank, element_b, at)
    query_depth = model.q_rank if model.q_rank > 0.0 else model.hidden
    query = linear(tokens, heads * (model.head_dim + model.rope_dim), query_depth, element_b, at)
    return add(add(out, down), add(key_value, query))


@inlined
def mlp(model: Model, plan: Plan, tokens: float, width: float, at: Rates) -> Times:
    """Two or three products of a feed-forward block of that width on one rank, and its activation."""
    matrices = 1.0 + model.gated
    up = linear(tokens, matrices * width, model.hidden, plan.linear_bytes, at)
    down = linear(tokens, model.hidden, width, plan.linear_bytes, at)
    passed = 2.0 * tokens * width * at.elementwise
    return add(add(up, down), moved(passed * (1.0 + matrices), passed * (1.0 + 2.0 * matrices), at))


@inlined
def elementwise(model: Model, plan: Plan, tokens: float, at: Rates) -> Times:
    """Norms, residuals, dropout, positions and casts to 8 bits of one layer."""
    share = 1.0 / plan.tp
    whole = tokens * (share if plan.sequence_parallel > 0.0 else 1.0)
    passed = 16.0 * model.hidden * whole + 6.0 * (model.heads + model.kv_heads) * model.head_dim * tokens * share
    cast = 3.0 * model.hidden * tokens if plan.linear_bytes < 2.0 else 0.0
    return moved(passed * at.elementwise + cast, 1.5 * passed * at.elementwise + cast, at)


@inlined
def experts(model: Model, plan: Plan, tokens: float, at: Rates) -> Times:
    """Router, routed and shared experts of one layer; every rank computes top_k products a token.

    Experts are shared out over ep ranks, and tp cuts each of them as it cuts an MLP, as memory counts them. Each
    expert fills its last tile of rows half on average. With a capacity factor, experts compute so many places as it
    gives them, filled or not (Lepikhin 2020, arXiv 2006.16668; Fedus 2021, arXiv 2101.03961).
    """
    routed = tokens * model.top_k * model.capacity
    local, width = max(model.experts * (1.0 / plan.ep), 1.0), model.expert_hidden * (1.0 / plan.tp)
    work = mlp(model, plan, routed + 0.5 * TILE_ROWS * local, width, at)
    work = mix(Times(0.0, 0.0, 0.0, 0.0), work, at.experts)
    router = linear(tokens, model.experts, model.hidden, 2.0, at)
    sorting = 8.0 * routed * model.hidden * at.elementwise
    work = add(add(work, router), moved(sorting, sorting, at))
    if model.shared_hidden > 0.0:
        work = add(work, mlp(model, plan, tokens, model.shared_hidden * (1.0 / plan.tp), at))
    return work


@inlined
def head(model: Model, plan: Plan, at: Rates) -> Times:
    """Language-model head and loss of one micro-batch on a rank of the last stage."""
    tokens = plan.micro_batch * plan.seq_len * (1.0 / plan.cp)
    columns = model.vocab * (1.0 / plan.tp)
    logits = linear(tokens, columns, model.hidden, 2.0, at)
    logits = add(logits, accumulated(model.hidden * columns, plan, at))
    return add(logits, moved(8.0 * tokens * columns, 8.0 * tokens * columns, at))
