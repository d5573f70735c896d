"""Traffic of one layer, context- and expert-parallel, and its elementwise work: by hand, scaling, edges."""

from dcsim.kernels.facts import HSDP, ZERO1, Device, Model, Plan
from dcsim.kernels.layer import attention_core, elementwise, head, memory_bound_s, moved, projections, whole_s
from dcsim.kernels.roofline import rates
from dcsim.kernels.stage import one_layer
from tests.kernels.by_hand import near

MODEL = Model(
    layers=10.0, hidden=4096.0, heads=32.0, kv_heads=8.0, head_dim=128.0, ffn_hidden=16384.0, gated=1.0, vocab=32000.0,
    tied=0.0,
)  # fmt: skip
SPARSE = MODEL._replace(experts=8.0, top_k=2.0, expert_hidden=1024.0)
PLAN = Plan(tp=1.0, pp=1.0, vpp=1.0, dp=8.0, cp=1.0, ep=1.0, micro_batch=2.0, global_batch=16.0, seq_len=2048.0)
DEVICE = Device(
    linear_flop_per_s=100e12, half_flop_per_s=100e12, vector_flop_per_s=5e12, memory_b=80e9, memory_b_per_s=1e12,
    link_b_per_s=100e9, domain=8.0, nic_b_per_s=25e9, product_efficiency=1.0, wave_share=0.0, tile_latency_s=0.0,
    memory_efficiency=1.0, attention_efficiency=1.0, launch_s=0.0, link_efficiency=1.0, nic_efficiency=1.0,
    link_latency_s=0.0, nic_latency_s=0.0, overlap=0.0,
)  # fmt: skip
AT = rates(DEVICE, 2.0)
TOKENS = 4096.0


def layer(model=MODEL, plan=PLAN, device=DEVICE):
    return one_layer(model, plan, device, rates(device, 2.0))


def test_keys_and_values_pass_round_the_ring_once_forward_and_twice_backward():
    # Of all tokens, 2 x 8 heads x 128 elements of 2 bytes; 3/4 of them leave a rank of four.
    plan = PLAN._replace(cp=4.0)
    assert layer(plan=plan).cp_s == near(3 * 3 / 4 * TOKENS * 2 * 8 * 128 * 2 / 100e9)
    assert layer(plan=plan, device=DEVICE._replace(link_b_per_s=200e9)).cp_s == near(layer(plan=plan).cp_s / 2)


def test_the_ring_hides_behind_attention():
    assert layer(plan=PLAN._replace(cp=4.0), device=DEVICE._replace(overlap=1.0)).cp_s == 0.0
    assert layer().cp_s == 0.0


def test_gradients_hide_while_a_ring_on_other_links_is_waited_for_but_not_where_they_use_these_links_too():
    # Two context ranks in a domain of two, data ranks beyond it. HSDP sums within the domain as well.
    device = DEVICE._replace(domain=2.0, link_b_per_s=1e8, overlap=0.5)
    plan = PLAN._replace(cp=2.0, dp=4.0)
    beyond, within = (layer(plan=plan._replace(sharding=kind), device=device) for kind in (ZERO1, HSDP))
    ring_s = 1 / 2 * TOKENS * 2 * 8 * 128 * 2 / 1e8
    core_s = attention_core(MODEL, plan, rates(device, 2.0)).forward_s
    waited_s = ring_s - 0.5 * core_s  # what of a ring does not hide behind half of attention
    assert beyond.cover_forward_s == near(0.5 * (beyond.forward_s + waited_s))
    assert within.cover_forward_s == near(max(0.5 * within.forward_s - 0.5 * core_s, 0.0))


def test_tokens_go_to_two_experts_and_back_forward_and_backward():
    # Inside a domain of 8: 2 copies of 2 bytes x hidden, 7/8 of them leave; four times.
    plan = PLAN._replace(ep=8.0)
    assert layer(SPARSE, plan).ep_s == near(4 * 2 * 7 / 8 * TOKENS * 2 * 4096 / 100e9)
    assert layer(SPARSE._replace(capacity=1.25), plan).ep_s == near(1.25 * layer(SPARSE, plan).ep_s)
    fast = DEVICE._replace(link_b_per_s=200e9)
    assert layer(SPARSE, plan, fast).ep_s == near(layer(SPARSE, plan).ep_s / 2)


def test_layers_without_experts_send_no_tokens():
    half = SPARSE._replace(dense_layers=5.0)
    plan = PLAN._replace(ep=8.0)
    assert layer(half, plan).ep_s == near(layer(SPARSE, plan).ep_s / 2)
    assert layer(SPARSE).ep_s == 0.0


def test_elementwise_work_takes_its_bytes():
    # 16 h of the residual stream, and 6 of each query's and key's element; backward half as much again.
    passed = TOKENS * (16 * 4096 + 6 * (32 + 8) * 128)
    work = elementwise(MODEL, PLAN, TOKENS, AT)
    assert (work.forward_s, work.input_s) == near((passed / 1e12, 1.5 * passed / 1e12))
    assert work.weight_s == 0.0
    assert memory_bound_s(work) == work.forward_s + work.input_s
    fast = elementwise(MODEL, PLAN, TOKENS, rates(DEVICE._replace(memory_b_per_s=2e12), 2.0))
    assert fast.forward_s == near(work.forward_s / 2)


def test_sequence_parallelism_divides_the_norms_too():
    whole, cut = (
        elementwise(MODEL, PLAN._replace(tp=4.0, sequence_parallel=on), TOKENS, AT).forward_s for on in (0.0, 1.0)
    )
    assert whole - cut == near(3 / 4 * 16 * TOKENS * 4096 / 1e12)


def test_latent_projections_are_those_of_deepseek():
    # DeepSeek-V2 (arXiv 2405.04434, section 2.1): h (q + kv + rope), q a (e + rope), kv a (e + v), a v h.
    latent = MODEL._replace(q_rank=1536.0, kv_rank=512.0, rope_dim=64.0, v_head_dim=128.0)
    parameters = 4096 * (1536 + 512 + 64) + 1536 * 32 * (128 + 64) + 512 * 32 * (128 + 128) + 32 * 128 * 4096
    wide = rates(DEVICE._replace(memory_b_per_s=1e15), 2.0)
    assert projections(latent, PLAN, TOKENS, wide).forward_s == near(2 * TOKENS * parameters / 100e12)


def test_twice_the_bandwidth_halves_a_head_of_few_tokens():
    few = PLAN._replace(micro_batch=1.0, seq_len=8.0)
    slow, fast = (head(MODEL, few, rates(DEVICE._replace(memory_b_per_s=b), 2.0)) for b in (1e9, 2e9))
    assert memory_bound_s(slow) == near(whole_s(slow))
    assert fast.forward_s == near(slow.forward_s / 2)


def test_nothing_moved_takes_no_time():
    assert moved(0.0, 0.0, AT) == (0.0,) * 6


def test_data_parallel_traffic_hides_behind_computing_and_waiting_as_far_as_it_overlaps():
    half = DEVICE._replace(overlap=0.5, launch_s=1e-3)
    found = layer(device=half)
    assert found.cover_forward_s == near(0.5 * (found.forward_s + found.wait_forward_s))
    busy_s = found.input_s + found.weight_s + found.wait_backward_s
    assert found.cover_backward_s == near(0.5 * busy_s)
    assert layer(plan=PLAN._replace(overlap_dp=0.0), device=half).cover_backward_s == 0.0


def test_a_ring_on_the_same_links_leaves_less_to_hide_behind_and_one_on_others_more():
    slow = DEVICE._replace(overlap=1.0, link_b_per_s=1e8)
    ring_s = 3 / 4 * TOKENS * 2 * 8 * 128 * 2 / 1e8
    # Four context ranks and two data ranks in a domain of eight: one kind after the other on its links.
    same = layer(plan=PLAN._replace(cp=4.0, dp=2.0), device=slow)
    hidden_s = attention_core(MODEL, PLAN._replace(cp=4.0), AT).forward_s
    assert same.cover_forward_s == near(same.forward_s - hidden_s)
    # Of more data ranks NICs carry the traffic, while the ring is waited for.
    other = layer(plan=PLAN._replace(cp=4.0, dp=8.0), device=slow)
    assert other.cover_forward_s == near(other.forward_s + ring_s - hidden_s)
