"""Networks as lists of operations: published counts, and the parts of a training step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dcsim.kernels.facts import BOUNDS, Device
from dcsim.performance import network
from dcsim.performance.devices import DeviceRow
from dcsim.performance.network import NetworkStep, Training, network_step
from dcsim.scenario import presets
from dcsim.scenario.model import Network

NETWORKS = {m.name: m for m in map(presets.model, presets.names("models")) if isinstance(m, Network)}

NOTES = {
    "resnet-50": 8.2e9,
    "efficientnet-b0": 0.78e9,
    "vit-b-16": 35e9,
    "vit-l-16": 123e9,
    "yolov8n": 8.7e9,
    "yolov8m": 78.9e9,
    "stable-diffusion-1.5-unet": 0.8e12,
}
"""Published forward FLOPs of a sample (He 2015; Tan 2019; torchvision and ultralytics tables). Left out:
EfficientNet-B4, where the paper (4.2e9 multiply-adds) and torchvision's count of the same network (4.39e9) differ by
4.5 %, and the U-Net of 2015, for which nobody published a count."""

DEVICE = DeviceRow(Device(300e12, 300e12, 20e12, 80e9, 2e12, 300e9, 8.0, 25e9, 100.0), 2.0)


def largest(step: NetworkStep) -> str:
    return max(step.parts, key=lambda name: step.parts[name])


def with_device(**changed: float) -> DeviceRow:
    return DeviceRow(DEVICE.device._replace(**changed), 2.0)


@pytest.mark.parametrize("model", [m for m in NETWORKS.values() if m.parameters], ids=lambda m: m.name)
def test_parameters_are_within_one_percent_of_the_published_count(model: Network) -> None:
    assert network.parameters(model) == pytest.approx(model.parameters, rel=0.01)


@pytest.mark.parametrize("model", [m for m in NETWORKS.values() if m.forward_flop], ids=lambda m: m.name)
def test_forward_flop_are_within_three_percent_of_the_published_count(model: Network) -> None:
    assert network.forward_flop(model) == pytest.approx(model.forward_flop, rel=0.03)
    assert model.forward_flop == pytest.approx(NOTES.get(model.name, model.forward_flop), rel=0.005)


def test_layers_of_resnet_50_by_hand() -> None:
    rows = network.rows(NETWORKS["resnet-50"])
    stem = dict(zip(network.Operation._fields, rows[0], strict=True))
    assert (stem["rows"], stem["depth"], stem["columns"]) == (112 * 112, 3 * 7 * 7, 64)
    assert (stem["read"], stem["written"], stem["parameters"]) == (224 * 224 * 3, 112 * 112 * 64, 9408)
    assert network.parameters(NETWORKS["resnet-50"]) == 25_557_032  # torchvision


def test_tables_of_dlrm_take_what_the_source_says() -> None:
    # torchrec_dlrm/README.MD: 91.10 "GiB" of single precision, which are GB.
    tables = network.parameters(NETWORKS["dlrm-criteo-1tb"]) - network.dense_parameters(NETWORKS["dlrm-criteo-1tb"])
    assert tables * 4 / 1e9 == pytest.approx(91.10, abs=0.05)


def test_a_tied_head_is_counted_with_its_embedding() -> None:
    whisper = NETWORKS["whisper-large-v3"]
    (head,) = [o for o in whisper.operations if getattr(o, "tied", False)]
    untied = whisper.model_copy(
        update={"operations": (*whisper.operations[:-2], head.model_copy(update={"tied": False}))}
    )
    assert network.parameters(untied) - network.parameters(whisper) == 51866 * 1280


@pytest.mark.parametrize("model", NETWORKS.values(), ids=NETWORKS)
def test_the_parts_of_a_step_add_up(model: Network) -> None:
    step = network_step(model, DEVICE, Training(32, workers=16))
    assert sum(step.parts.values()) == pytest.approx(step.step_s, rel=1e-12)
    assert step.samples_per_s == pytest.approx(32 * 16 / step.step_s)
    assert min(step.parts.values()) >= 0
    assert set(step.parts) <= set(BOUNDS)


def test_a_plain_product_takes_its_flop_at_the_sustained_rate() -> None:
    ideal = with_device(product_efficiency=1.0, wave_share=0.0, tile_latency_s=0.0, launch_s=0.0)
    step = network_step(NETWORKS["matmul-8192"], ideal, Training(1))
    assert step.step_s == pytest.approx(3 * 2 * 8192**3 / 300e12, rel=1e-12)
    assert largest(step) == "compute"


def test_gradients_hide_under_backward_until_the_network_is_slow() -> None:
    fast = network_step(NETWORKS["resnet-50"], DEVICE, Training(256, workers=8))
    slow = network_step(NETWORKS["resnet-50"], with_device(link_b_per_s=1e8), Training(256, workers=8))
    assert fast.traffic_s == 0.0
    assert slow.traffic_s > 0.5
    assert largest(slow) == "data-parallel traffic"


def test_spread_tables_exchange_vectors_both_ways() -> None:
    # Pooled vectors: 26 tables x 128 elements x 2 bytes x batch; 7/8 of them leave a rank; twice.
    quick = with_device(link_efficiency=1.0, link_latency_s=0.0, overlap=1.0)
    step = network_step(NETWORKS["dlrm-dcnv2"], quick, Training(8192, workers=8))
    assert step.traffic_s == pytest.approx(2 * 8192 * 26 * 128 * 2 * 7 / 8 / 300e9, rel=1e-9)


def test_a_slow_host_leaves_the_device_idle() -> None:
    slow = network_step(NETWORKS["cifar-resnet-20"], with_device(launch_s=1e-3), Training(1))
    # 19 convolutions of 3 kernels, 19 norms and 19 activations of 2, 9 sums of 2, mean 2, head 3; the optimiser beside.
    assert largest(slow) == "host time"
    assert slow.step_s == pytest.approx(1e-3 * (57 + 76 + 18 + 5), rel=0.01)


def test_the_step_of_resnet_50_is_what_devices_do() -> None:
    """MLPerf and vendors' examples: about 1,200 images/s on a V100, 2,500 to 3,000 on an A100 (batch 256, 16 bits)."""
    v100 = DeviceRow(Device(125e12, 125e12, 15e12, 32e9, 0.9e12, 150e9, 8.0, 12e9, 80.0), 2.0)
    a100 = DeviceRow(Device(312e12, 312e12, 19.5e12, 80e9, 2.0e12, 300e9, 8.0, 25e9, 108.0), 2.0)
    assert 800 < network_step(NETWORKS["resnet-50"], v100, Training(256)).samples_per_s < 1600
    assert 2000 < network_step(NETWORKS["resnet-50"], a100, Training(256)).samples_per_s < 3600


def test_steps_are_plain_numbers() -> None:
    step = network_step(NETWORKS["text-cnn"], DEVICE, Training(50))
    values = vars(step).values()
    assert all(type(v) is float and math.isfinite(v) for v in values)
    assert not any(isinstance(v, np.floating) for v in values)


def test_micro_batches_add_up_and_share_one_optimizer_step_and_one_sum() -> None:
    whole = network_step(NETWORKS["resnet-50"], DEVICE, Training(64, workers=8))
    cut = network_step(NETWORKS["resnet-50"], DEVICE, Training(256, workers=8, micro_batches=4))
    assert cut.compute_s == pytest.approx(4 * whole.compute_s)
    assert cut.memory_s == pytest.approx(4 * whole.memory_s)
    assert (cut.optimizer_s, cut.traffic_s) == (whole.optimizer_s, whole.traffic_s)
    assert cut.flop == pytest.approx(4 * whole.flop)
