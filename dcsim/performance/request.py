"""A planner's question, read and checked: names become facts, text numbers, and all mistakes are told at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels import facts
from dcsim.performance import models, planning
from dcsim.performance.devices import DeviceRow, constants_of, device_row, uncut_domain
from dcsim.performance.frameworks import FRAMEWORKS, Framework, refused, usual_framework
from dcsim.performance.memory import available_b
from dcsim.performance.optimizers import OPTIMIZERS, USUAL
from dcsim.performance.plan_problems import problems
from dcsim.performance.plan_rules import DEGREES, EXPERTS, MOST_VALUES, RECOMPUTE, SCHEDULE, SHAPE, SHARDING, Setting
from dcsim.performance.plans import option, word_of, written
from dcsim.performance.precisions import advised, has_peak, listed
from dcsim.performance.reader import Reader
from dcsim.performance.waiting import Input
from dcsim.scenario import presets, source
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.scaling_law import ScalingLaw
from dcsim.scenario.spec import Accelerator
from dcsim.units import BANDWIDTH, SIZE, TIME

MOST_TOKENS = 1e18
MOST_JITTER = 1.0
TIMES, SIZES, RATES = (1.0, 1e12), (1.0, 1e18), (1.0, 1e18)  # s, B and B/s that are looked at
USUAL_LAW = "chinchilla-corrected"
MOST_STATES_B = 64.0
GRADIENTS_B = (2.0, 4.0)
MOST_PLANS, USUAL_PLANS = 100, 5
PREFERRED = ("bf16", "fp16", "tf32", "fp32", "fp8", "fp4", "int8")
"""Precisions of linear layers: the first that a device has is taken where nobody says, but never int8."""


class Options(TypedDict, total=False):
    """What a question may say, as numbers or as text in the manner of the command line (`"60 d"`, `"15e12"`)."""

    tokens: float | str | None
    samples: float | str | None
    """Sequences or other samples to train on, each as often as it is; as text also a product: `"1.28e6*90"`."""
    target_loss: float | str | None
    count: int | str | None
    deadline: float | str | None
    """Seconds, or text with a unit."""
    global_batch: int | str | None
    """Samples (sequences) a step."""
    seq_len: int | str | None
    precision: str | None
    tp: int | str | None
    pp: int | str | None
    vpp: int | str | None
    dp: int | str | None
    cp: int | str | None
    ep: int | str | None
    micro_batch: int | str | None
    recompute: str | None
    sharding: str | None
    schedule: str | None
    """Of a pipeline: `1f1b` (interleaved where vpp is above 1), `gpipe`, `zb-h1`, `zb-h2`, `dualpipe`."""
    experts: str | None
    """Spread by ep, `whole` (as they are unless said) or `cut` by tp besides."""
    law: str | None
    """Name of a scaling-law preset, or a TOML file of its coefficients."""
    framework: str | None
    """`megatron` (on GPUs unless said), `pytorch` with FSDP, `deepspeed`, or `jax` (on TPUs unless said)."""
    optimizer: str | None
    """`adam`, `sgd` with momentum, or `adagrad`."""
    optimizer_bytes: float | str | None
    """Bytes of optimiser states a parameter instead, fp32 master weights included: 8 for Adam with 16-bit moments."""
    gradient_bytes: float | str | None
    """Bytes of a gradient that is added up and sent: 4 (unless said), or 2 as some recipes do."""
    jitter: float | str | None
    """Deviation of an accelerator's step time over its mean."""
    sample_size: float | str | None
    """One sample as it is loaded, bytes or text with a unit."""
    loader_rate: float | str | None
    """Of the data loader of one accelerator, B/s or text with a unit."""
    storage_bandwidth: float | str | None
    """Of the storage that all loaders share, B/s or text with a unit."""
    calibration: str | None
    """Folder that `dcsim calibrate` wrote; its constants replace those that ship."""
    top: int | str | None
    """How many plans to name."""


@dataclass(frozen=True)
class Request:
    """A question without mistakes; `fixed` are the degrees that the user chose."""

    where: str
    model: Transformer
    accelerator: Accelerator
    device: DeviceRow
    precision: str
    seq_len: int
    fixed: Mapping[str, int]
    choices: Mapping[str, Iterable[float]]
    law: ScalingLaw
    tokens: float | None
    target_loss: float | None
    count: int | None
    deadline_s: float | None
    global_batch: int | None
    top: int
    framework: Framework
    optimizer: str = USUAL
    """Its name, or in words the bytes of its states, where these are given instead."""
    optimizer_bytes: float = 12.0
    """Bytes of optimiser states a parameter."""
    gradient_bytes: float = 4.0
    """Bytes of a gradient that is added up and sent."""
    schedule: float = facts.ONE_F_ONE_B
    """Of a pipeline, by its code."""
    cut_experts: float = 0.0
    samples: float | None = None
    input: Input = field(default_factory=Input)
    batch_assumed: bool = False
    """Whether the batch is the usual one, as nobody gave one."""

    @property
    def available_b(self) -> float:
        """Bytes of a device's memory that a step may use."""
        return available_b(self.device.device.memory_b)

    @property
    def run(self) -> str:
        """By whom and how a plan is run, in words."""
        return f"as {self.framework.words}, {'fp32' if self.gradient_bytes == GRADIENTS_B[1] else '16-bit'} gradients"

    @property
    def kinds(self) -> str:
        """What a search leaves as it is, in words: optimiser, schedule of pipelines, layout of experts."""
        optimizer = OPTIMIZERS[self.optimizer].words if self.optimizer in OPTIMIZERS else f"optimizer {self.optimizer}"
        words = [optimizer, f"{word_of(SCHEDULE, self.schedule)} pipelines"]
        if self.model.experts:
            words.append(f"experts {word_of(EXPERTS, self.cut_experts)}")
        return ", ".join(words)

    def on(self, accelerators: int) -> Request:
        """The same question of so many accelerators: within one scale-up domain no border cuts a group."""
        domain = uncut_domain(self.accelerator, _spans(self.fixed, self.cut_experts), accelerators)
        return replace(self, device=replace(self.device, device=self.device.device._replace(domain=domain)))

    def setting(self, accelerators: int | None, most: int = MOST_VALUES, least: int = 1) -> Setting:
        """What plans have to serve on so many accelerators; the batch must be known by then."""
        assert self.global_batch is not None
        row = models.model_row(self.model)
        server = self.accelerator.accelerators_per_server or 1
        domain = int(self.device.device.domain)
        kinds = (self.schedule, self.cut_experts)
        return Setting(row, self.global_batch, self.seq_len, accelerators, domain, server, most, least, *kinds)

    def like(self) -> facts.Plan:
        """A plan with the columns that are not searched."""
        assert self.global_batch is not None
        plan = facts.Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, float(self.global_batch), float(self.seq_len))
        states_b, linear_b = self.optimizer_bytes, self.device.linear_bytes
        plan = plan._replace(linear_bytes=linear_b, optimizer_bytes=states_b, gradient_bytes=self.gradient_bytes)
        return plan._replace(schedule=self.schedule, cut_experts=self.cut_experts)


def asked(
    reader: Reader, net: Transformer | Network | None, chip: Accelerator | None, needs: Iterable[str] = ()
) -> Request:
    """The question that facts and a reader's options make; ScenarioError with the reader's mistakes and its own."""
    where, options = reader.where, reader.options
    precision, seq_len = precision_of(reader, chip), _seq_len(reader, net)
    laws = reader.named(
        "law", options.get("law") or USUAL_LAW, lambda n: found(n, presets.scaling_law, presets.scaling_law_of)
    )
    plain = plain_numbers(reader)
    known = reader.named("calibration", folder, constants_of) if (folder := options.get("calibration")) else None
    for name in needs:
        if options.get(name) is None:
            reader.problems.append(missing(where, name))
    fixed = {name: value for name in SHAPE if (value := reader.whole(name)) is not None}
    if set(DEGREES) <= set(fixed):  # which leaves no choice
        plain["count"] = plain["count"] or math.prod(fixed[name] for name in DEGREES)
    kinds = {"recompute": reader.word("recompute", RECOMPUTE), "sharding": reader.word("sharding", SHARDING)}
    chosen = {name: code for name, code in kinds.items() if code is not None}
    sample_b = seq_len * planning.token_bytes(net.vocab) if isinstance(net, Transformer) and seq_len else 0.0
    plain["input"] = input_of(reader, sample_b)
    schedule = reader.word("schedule", SCHEDULE)
    plain["schedule"] = facts.ONE_F_ONE_B if schedule is None else schedule
    plain["cut_experts"] = reader.word("experts", EXPERTS) or 0.0
    plain["optimizer"] = options.get("optimizer") or USUAL
    if options.get("optimizer_bytes") is not None:
        plain["optimizer"] = f"states of {plain['optimizer_bytes']:g} B"
    framework = reader.word("framework", FRAMEWORKS)
    if isinstance(net, Transformer):
        setting = Setting(models.model_row(net), plain["global_batch"] or 0, seq_len or 0, plain["count"])
        setting = replace(setting, schedule=plain["schedule"], cut_experts=plain["cut_experts"])
        if options.get("experts") is not None and not setting.model.experts:
            reader.wrong("experts", "the model has no experts", options["experts"], fix="leave it out")
        if chip is not None:
            domain = uncut_domain(chip, _spans(fixed, plain["cut_experts"]), plain["count"])
            setting = replace(setting, domain=int(domain), server=chip.accelerators_per_server or 1)
        whole = {name: int(code) for name, code in chosen.items()}
        reader.problems += problems(fixed | whole, setting, where)
    if framework is not None:
        for name, why in refused(framework, fixed | chosen | {"schedule": plain["schedule"]}):
            reader.wrong(name, why, options.get(name), fix="leave it out, or name another framework")
    if reader.problems or not isinstance(net, Transformer) or chip is None or precision is None or seq_len is None:
        raise ScenarioError(reader.problems)
    choices: dict[str, Iterable[float]] = {name: [value] for name, value in (fixed | chosen).items()}
    domain = uncut_domain(chip, _spans(fixed, plain["cut_experts"]), plain["count"])
    plain["framework"] = framework = framework or usual_framework(chip)
    device = device_row(chip, precision, framework.family, domain, calibration=known)
    return Request(where, net, chip, device, precision, seq_len, fixed, choices, laws, **plain)


def _spans(fixed: Mapping[str, int], cut_experts: float) -> list[int]:
    """Accelerators that groups span whose degrees are fixed: of tensor and context ranks, and of all experts."""
    tp, cp, ep = (fixed.get(name, 1) for name in ("tp", "cp", "ep"))
    return [tp, tp * cp, ep * (tp if cut_experts else 1)]


def found(name: str, preset: Callable[[str], Any], of: Callable[[source.Document], Any]) -> Any:
    """The facts of a preset, or of a TOML file where the name ends with `.toml`."""
    return of(source.read(Path(name), name)) if name.endswith(".toml") else preset(name)


def missing(where: str, name: str) -> Problem:
    """Says that an option must be given."""
    example = {"count": 512, "global_batch": 2048}[name]
    return Problem(where, option(where, name), "is missing", fix=f"write e.g. {written(where, name, example)}")


def plain_numbers(reader: Reader) -> dict[str, Any]:
    """The plain numbers of a question, by field of a request."""
    return {
        "tokens": reader.product("tokens", MOST_TOKENS),
        "samples": reader.product("samples", MOST_TOKENS),
        "target_loss": reader.number("target_loss"),
        "count": reader.whole("count"),
        "deadline_s": reader.quantity("deadline", TIME, *TIMES),
        "global_batch": reader.whole("global_batch"),
        "top": reader.whole("top", MOST_PLANS) or USUAL_PLANS,
        "optimizer_bytes": _states_b(reader),
        "gradient_bytes": _gradient_b(reader),
    }


def _gradient_b(reader: Reader) -> float:
    """Bytes of a gradient, in single precision unless said."""
    given = reader.number("gradient_bytes", "2 or 4")
    if given is not None and given not in GRADIENTS_B:
        reader.wrong("gradient_bytes", "is no precision of gradients", reader.options["gradient_bytes"], "2 or 4")
    return given or 4.0


def _states_b(reader: Reader) -> float:
    """Bytes of optimiser states a parameter: as given, or those of the optimiser."""
    given = reader.number("optimizer_bytes", "bytes a parameter", MOST_STATES_B)
    usual = reader.word("optimizer", OPTIMIZERS) or OPTIMIZERS[USUAL]
    if given is not None and reader.options.get("optimizer") is not None:
        names = [option(reader.where, name) for name in ("optimizer", "optimizer_bytes")]
        reader.problems.append(
            Problem(reader.where, names[0], f"{' and '.join(names)} exclude each other", fix="give one of them")
        )
    return given or usual.states_b


def input_of(reader: Reader, sample_b: float | None) -> Input:
    """Jitter and data as asked; `sample_b`: bytes of one sample where nobody says otherwise, None if unknown."""
    rates = [reader.quantity(name, BANDWIDTH, *RATES) for name in ("loader_rate", "storage_bandwidth")]
    size_b = reader.quantity("sample_size", SIZE, *SIZES) or sample_b
    if size_b is None and any(rates):
        what = "is missing: the model does not say how large a sample is"
        fix = f"write e.g. {written(reader.where, 'sample_size', '110 kB')}"
        reader.problems.append(Problem(reader.where, option(reader.where, "sample_size"), what, fix=fix))
    jitter = reader.number("jitter", "a share of the step time", MOST_JITTER, zero=True) or 0.0
    return Input(jitter, size_b or 0.0, *(rate or math.inf for rate in rates))


def precision_of(reader: Reader, chip: Accelerator | None) -> str | None:
    """The precision of linear layers: as asked, else the first 16-bit one that the device has."""
    given = reader.options.get("precision")
    has = [name for name in PREFERRED if chip is None or name in listed(chip)]
    if given is None:
        return None if chip is None else _usual_precision(reader, chip, has)
    if given not in PREFERRED:
        reader.wrong("precision", "is unknown", given, f"one of {', '.join(has or PREFERRED)}")
        return None
    if chip is None or has_peak(chip, str(given)):
        return str(given)
    other = advised(chip, str(given))
    fix = None if other is None else f"write {written(reader.where, 'precision', other)}"
    expected = f"one of {', '.join(has)}" if has else None
    reader.wrong("precision", f"{chip.name} lacks this precision", given, expected, fix)
    return None


def _usual_precision(reader: Reader, chip: Accelerator, has: list[str]) -> str | None:
    """The first floating-point one of those that a device has."""
    if has and has[0] != "int8":  # which comes last
        return has[0]
    what = "no peak rate in any floating-point precision is known"
    fix = 'a TOML file of its keys with one, such as bf16 = "100 TFLOP/s", can be named instead'
    reader.wrong("accelerator", what, chip.name, fix=fix)
    return None


def _seq_len(reader: Reader, net: Transformer | Network | None) -> int | None:
    """The sequence length: as asked, else the longest of the model, at most the usual one of pre-training."""
    given = reader.whole("seq_len")
    if not isinstance(net, Transformer):
        return given
    limits = [limit for limit in (net.max_sequence, net.positions) if limit]
    if reader.options.get("seq_len") is None:
        usual = int(presets.table("planning", "usual")["sequence_tokens"])
        return min([usual, *limits])
    if given is not None and limits and given > min(limits):
        longest = min(limits)
        what = f"longer than the positions of {net.name} allow"
        reader.wrong("seq_len", what, given, f"at most {longest}", f"write {written(reader.where, 'seq_len', longest)}")
    return given
