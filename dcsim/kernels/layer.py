"""What one micro-batch takes on one transformer layer, and on the head, of one accelerator: computing alone.

Operations of a layer add: on one stream they do not overlap. FLOP and byte counts: Narayanan 2021
(arXiv 2104.04473, appendix), Korthikanti 2022 (arXiv 2205.05198); data movement of elementwise work: Ivanov 2021
(arXiv 2007.00072); fused attention: Dao 2022 (arXiv 2205.14135).
"""

from __future__ import annotations

from typing import NamedTuple

from dcsim.kernels.facts import FIRST_FUSED, UNFUSED, Model, Plan
from dcsim.kernels.groups import element_b, expert_share, expert_tensor
from dcsim.kernels.inlined import inlined
from dcsim.kernels.memory import attention_parameters
from dcsim.kernels.roofline import TILE_ROWS, Rates, bounded, fused_attention_s

FORWARD_KERNELS = 14.0  # launched for one layer: products, attention, norms, activation, residuals
BACKWARD_KERNELS = 26.0
GATED_KERNELS = 8.0  # more, forward, of layers like Llama's: rotary positions, gate; twice as many backward
EXPERT_KERNELS = 20.0  # more for routing and sorting, each way
RING_KERNELS = 3.0  # more for each step round a ring, each way: send and receive, attention, its result merged
ALIGNED = 8.0  # elements: matrix engines read rows of 16 bytes (NVIDIA, Matrix multiplication background, section 3)


class Times(NamedTuple):
    """Computing time of one micro-batch on a part of the model, s."""

    forward_s: float
    input_s: float  # backward: gradients of activations
    weight_s: float  # backward: gradients of weights
    forward_memory_s: float  # parts of the three that device memory bounds
    input_memory_s: float
    weight_memory_s: float


class Held(NamedTuple):
    """Parameters on one rank before data-parallel ranks share them out: routed experts, and all others."""

    dense: float
    routed: float


@inlined
def linear(rows: float, columns: float, depth: float, size_b: float, at: Rates, copies: float = 1.0) -> Times:
    """A linear layer: forward, gradient of its input, gradient of its weights. size_b: bytes an element.

    With `copies` matrices of weights, each for its part of the rows, it is one kernel (a grouped product), and all of
    them pass through memory.
    """
    low, weights = size_b < 2.0, copies * depth * columns
    forward_s, bound_f = bounded(rows * columns, depth, size_b * (rows * depth + weights), low, at)
    input_s, bound_i = bounded(rows * depth, columns, size_b * (rows * columns + weights), low, at)
    weight_s, bound_w = bounded(weights, rows * (1.0 / copies), size_b * rows * (columns + depth), low, at)
    return Times(forward_s, input_s, weight_s, bound_f, bound_i, bound_w)


@inlined
def add(a: Times, b: Times) -> Times:
    """One part after the other."""
    return Times(
        a.forward_s + b.forward_s,
        a.input_s + b.input_s,
        a.weight_s + b.weight_s,
        a.forward_memory_s + b.forward_memory_s,
        a.input_memory_s + b.input_memory_s,
        a.weight_memory_s + b.weight_memory_s,
    )


@inlined
def whole_s(part: Times) -> float:
    """Forward and backward, s."""
    return part.forward_s + part.input_s + part.weight_s


@inlined
def memory_bound_s(part: Times) -> float:
    """What of both device memory bounds, s."""
    return part.forward_memory_s + part.input_memory_s + part.weight_memory_s


@inlined
def mix(a: Times, b: Times, share: float) -> Times:
    """(1 - share) of the one and a share of the other."""
    return add(scaled(a, 1.0 - share), scaled(b, share))


@inlined
def scaled(part: Times, times: float) -> Times:
    """One part so many times."""
    return Times(
        times * part.forward_s,
        times * part.input_s,
        times * part.weight_s,
        times * part.forward_memory_s,
        times * part.input_memory_s,
        times * part.weight_memory_s,
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
    return Held(dense * (1.0 / plan.tp), routed * expert_share(plan))


@inlined
def accumulated(parameters: float, plan: Plan, at: Rates) -> Times:
    """Adding the gradients of one micro-batch to those before, where the product itself does not."""
    seconds = plan.accumulate_b * parameters * at.memory_s
    return Times(0.0, 0.0, seconds, 0.0, 0.0, seconds)


@inlined
def moved(forward_b: float, backward_b: float, at: Rates) -> Times:
    """Work that only moves bytes."""
    forward_s, input_s = forward_b * at.memory_s, backward_b * at.memory_s
    return Times(forward_s, input_s, 0.0, forward_s, input_s, 0.0)


@inlined
def attention_core(model: Model, plan: Plan, at: Rates) -> Times:
    """Scores, soft-max and context of one micro-batch on one rank; heads are cut by tp, queries by cp.

    A fused kernel skips the half above the diagonal and computes scores again backward; steps round a ring of cp are
    taken to be one kernel. Unfused, the whole square is computed and passes through memory about five times each way.
    """
    heads = model.heads * (1.0 / plan.tp)
    value_dim = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    width = model.head_dim + model.rope_dim + value_dim
    queries = plan.seq_len * (1.0 / plan.cp)
    rows = plan.micro_batch * heads * queries
    if plan.flash > UNFUSED:
        keys = seen_share(model, plan.seq_len) * plan.seq_len
        first = plan.flash == FIRST_FUSED
        forward_s, backward_s = fused_attention_s(rows, keys, width - value_dim, value_dim, first, at)
        return Times(forward_s, backward_s, 0.0, 0.0, 0.0, 0.0)
    pairs = rows * plan.seq_len
    flop_s = at.half_s if model.head_dim % ALIGNED == 0.0 else at.vector_s
    key_dim = width - value_dim
    forward_fill = at.half_fill * (1.0 + value_dim / plan.seq_len)  # a pair: of scores, and of fewer outputs of context
    backward_fill = at.half_fill * (1.0 + key_dim / plan.seq_len + (key_dim + value_dim) / queries)
    forward_s = 2.0 * pairs * (width + forward_fill) * flop_s
    backward_s = 2.0 * pairs * (2.0 * width + backward_fill) * flop_s
    bytes_s = 5.0 * element_b(plan) * pairs * at.memory_s
    return Times(forward_s + bytes_s, backward_s + bytes_s, 0.0, bytes_s, bytes_s, 0.0)


@inlined
def seen_share(model: Model, seq_len: float) -> float:
    """Share of all pairs of positions that attentions look at, their mean: those before, where they are causal, within
    the window."""
    near = min(model.window / seq_len, 1.0) if model.window > 0.0 else 1.0
    return near * (1.0 - 0.5 * near * model.causal)


@inlined
def projections(model: Model, plan: Plan, tokens: float, at: Rates) -> Times:
    """Query, key, value and output projections, plain or latent (DeepSeek-V2, arXiv 2405.04434)."""
    share = 1.0 / plan.tp
    heads = model.heads * share
    value_dim = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    size_b = plan.linear_bytes
    out = linear(tokens, model.hidden, heads * value_dim, size_b, at)
    if model.kv_rank <= 0.0:
        kv = max(model.kv_heads * share, 1.0)
        return add(out, linear(tokens, (heads + 2.0 * kv) * model.head_dim, model.hidden, size_b, at))
    down = linear(tokens, model.q_rank + model.kv_rank + model.rope_dim, model.hidden, size_b, at)
    key_value = linear(tokens, heads * (model.head_dim + value_dim), model.kv_rank, size_b, at)
    query_depth = model.q_rank if model.q_rank > 0.0 else model.hidden
    query = linear(tokens, heads * (model.head_dim + model.rope_dim), query_depth, size_b, at)
    return add(add(out, down), add(key_value, query))


@inlined
def mlp(model: Model, plan: Plan, tokens: float, width: float, at: Rates, copies: float = 1.0) -> Times:
    """Two or three products of a feed-forward block of that width on one rank, or of `copies` experts that share the
    tokens, and the activation."""
    matrices = 1.0 + model.gated
    up = linear(tokens, matrices * width, model.hidden, plan.linear_bytes, at, copies)
    down = linear(tokens, model.hidden, width, plan.linear_bytes, at, copies)
    passed = element_b(plan) * tokens * width * at.elementwise
    return add(add(up, down), moved(passed * (1.0 + matrices), passed * (1.0 + 2.0 * matrices), at))


@inlined
def elementwise(model: Model, plan: Plan, tokens: float, at: Rates) -> Times:
    """Norms, residuals, dropout, positions and casts to 8 bits of one layer."""
    share = 1.0 / plan.tp
    whole = tokens * (share if plan.sequence_parallel > 0.0 else 1.0)
    passed = 8.0 * model.hidden * whole + 3.0 * (model.heads + model.kv_heads) * model.head_dim * tokens * share
    passed *= element_b(plan)
    cast = 3.0 * model.hidden * tokens if plan.linear_bytes < 2.0 else 0.0
    return moved(passed * at.elementwise + cast, 1.5 * passed * at.elementwise + cast, at)


@inlined
def experts(model: Model, plan: Plan, tokens: float, at: Rates) -> Times:
    """Router, routed and shared experts of one layer; every rank computes top_k products a token.

    Where tp cuts experts, all of its ranks work on all of its tokens; whole ones get the tokens of one rank, a part
    (groups.py). Each expert fills its last tile of rows half on average. With a capacity factor, experts compute so
    many places as it gives them, filled or not (Lepikhin 2020, arXiv 2006.16668; Fedus 2021, arXiv 2101.03961).
    """
    share, among = 1.0 / plan.tp, expert_tensor(plan)
    routed = tokens * model.top_k * model.capacity * among * share
    local, width = max(model.experts * (1.0 / plan.ep), 1.0), model.expert_hidden * (1.0 / among)
    work = scaled(mlp(model, plan, routed + 0.5 * TILE_ROWS * local, width, at, local), at.experts)
    cut = share if plan.ep > 1.0 or plan.sequence_parallel > 0.0 else 1.0
    router = linear(tokens * cut, model.experts, model.hidden, element_b(plan), at)
    sorting = 4.0 * element_b(plan) * routed * model.hidden * at.elementwise
    work = add(add(work, router), moved(sorting, sorting, at))
    if model.shared_hidden > 0.0:
        work = add(work, mlp(model, plan, tokens, model.shared_hidden * share, at))
    return work


@inlined
def head(model: Model, plan: Plan, at: Rates) -> Times:
    """Language-model head and loss of one micro-batch on a rank of the last stage."""
    tokens = plan.micro_batch * plan.seq_len * (1.0 / plan.cp)
    columns = model.vocab * (1.0 / plan.tp)
    logits = linear(tokens, columns, model.hidden, element_b(plan), at)
    logits = add(logits, accumulated(model.hidden * columns, plan, at))
    return add(logits, moved(8.0 * tokens * columns, 8.0 * tokens * columns, at))


@inlined
def embedding(model: Model, plan: Plan, at: Rates) -> Times:
    """Look-up of one micro-batch on a rank of the first stage: rows are read and written, and backward their gradients
    added to those of the table."""
    elements = plan.micro_batch * plan.seq_len * (1.0 / plan.cp) * model.hidden
    return moved(2.0 * element_b(plan) * elements, (element_b(plan) + 2.0 * plan.gradient_bytes) * elements, at)
