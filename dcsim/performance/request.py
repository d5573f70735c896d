"""A planner's question, read and checked: names become facts, text numbers, and all mistakes are told at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.kernels import facts
from dcsim.performance import models, planning
from dcsim.performance.devices import ELEMENT_B, DeviceRow, constants_of, device_row, uncut_domain
from dcsim.performance.memory import available_b
from dcsim.performance.plan_problems import problems
from dcsim.performance.plans import (
    DEGREES,
    MOST_VALUES,
    RECOMPUTE,
    SCHEDULE,
    SHAPE,
    SHARDING,
    Setting,
    option,
    written,
)
from dcsim.performance.waiting import Input
from dcsim.scenario import presets, source
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.scaling_law import ScalingLaw
from dcsim.scenario.spec import Accelerator
from dcsim.units import BANDWIDTH, SIZE, TIME, Dimension

MOST_TOKENS = 1e18
MOST_JITTER = 1.0
TIMES, SIZES, RATES = (1.0, 1e12), (1.0, 1e18), (1.0, 1e18)  # s, B and B/s that are looked at
LONGEST = 60  # characters of a given value that an error line repeats
STATES_B = {"adam": 12.0, "sgd": 8.0}  # bytes of optimiser states a parameter, fp32 master weights included
USUAL_LAW = "chinchilla-corrected"
MOST_STATES_B = 64.0
MOST_PLANS, USUAL_PLANS = 100, 5
PRECISIONS = tuple(name for name in ELEMENT_B if name != "int8")


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
    law: str | None
    """Name of a scaling-law preset, or a TOML file of its coefficients."""
    optimizer: str | None
    """`adam`, or `sgd` with momentum."""
    optimizer_bytes: float | str | None
    """Bytes of optimiser states a parameter instead, fp32 master weights included: 8 for Adam with 16-bit moments."""
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
    optimizer_bytes: float = 12.0
    """Bytes of optimiser states a parameter."""
    schedule: float = facts.ONE_F_ONE_B
    """Of a pipeline, by its code."""
    samples: float | None = None
    input: Input = field(default_factory=Input)
    batch_assumed: bool = False
    """Whether the batch is the usual one, as nobody gave one."""

    @property
    def available_b(self) -> float:
        """Bytes of a device's memory that a step may use."""
        return available_b(self.device.device.memory_b)

    def setting(self, accelerators: int | None, most: int = MOST_VALUES, least: int = 1) -> Setting:
        """What plans have to serve on so many accelerators; the batch must be known by then."""
        assert self.global_batch is not None
        row = models.model_row(self.model)
        server = self.accelerator.accelerators_per_server or 1
        domain = int(self.device.device.domain)
        return Setting(row, self.global_batch, self.seq_len, accelerators, domain, server, most, least, self.schedule)

    def like(self) -> facts.Plan:
        """A plan with the columns that are not searched."""
        assert self.global_batch is not None
        plan = facts.Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, float(self.global_batch), float(self.seq_len))
        states_b, linear_b = self.optimizer_bytes, self.device.linear_bytes
        return plan._replace(linear_bytes=linear_b, optimizer_bytes=states_b, schedule=self.schedule)


def refuse(found: Iterable[Problem]) -> None:
    """Raise ScenarioError if there are problems."""
    if found := list(found):
        raise ScenarioError(found)


def shown(given: object) -> str:
    """What was given, in quotes on one line, its middle left out where it is long."""
    text = " ".join(str(given).split())
    return f"'{text}'" if len(text) <= LONGEST else f"'{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}'"


class Reader:
    """Reads options one by one and remembers what is wrong with them."""

    def __init__(self, where: str, options: Mapping[str, Any]) -> None:
        self.where = where
        self.options = options
        self.problems: list[Problem] = []

    def wrong(self, name: str, what: str, got: object, expected: str | None = None, fix: str | None = None) -> None:
        """Remember a mistake."""
        self.problems.append(Problem(self.where, option(self.where, name), what, shown(got), expected, fix))

    def whole(self, name: str, most: int = MOST_VALUES) -> int | None:
        """A whole number from 1 to `most`, None if it is not given or wrong."""
        value = self.number(name, f"a whole number from 1 to {most}")
        if value is None or (value == int(value) and 1 <= value <= most):
            return None if value is None else int(value)
        self.wrong(
            name,
            "out of range" if value > most else "is no whole number",
            self.options[name],
            f"a whole number from 1 to {most}",
        )
        return None

    def number(
        self, name: str, expected: str = "a number > 0", most: float = math.inf, zero: bool = False
    ) -> float | None:
        """A finite number above zero, or zero too; None if it is not given or wrong."""
        given = self.options.get(name)
        if given is None:
            return None
        value = _number(given)
        if value is not None and math.isfinite(value) and (0 < value <= most or (zero and value == 0)):
            return value
        if most < math.inf:
            expected += f", at most {most:g}"
        if value is None:
            what = "is no number"
        else:
            least = "must be >= 0" if zero else "must be > 0"
            what = "must be finite" if not math.isfinite(value) else least if value <= 0 else "out of range"
        self.wrong(name, what, given, expected)
        return None

    def product(self, name: str, most: float = math.inf) -> float | None:
        """A number from 1, or text with several that are multiplied, such as `"1.28e6*90"`; None as by `number`."""
        given = self.options.get(name)
        if not isinstance(given, str) or "*" not in given:
            value = self.number(name, most=most)
            if value is None or value >= 1.0:
                return value
            self.wrong(name, "out of range", given, f"a number from 1 to {most:g}")
            return None
        factors = [_number(part) or 0.0 for part in given.split("*")]
        if min(factors) > 0 and 1.0 <= math.prod(factors) <= most:
            return math.prod(factors)
        self.wrong(name, "is no product of numbers > 0", given, f"such as 1.28e6*90, at most {most:g}")
        return None

    def quantity(self, name: str, dimension: Dimension, least: float, most: float) -> float | None:
        """Text with a unit, or a number in the base unit; None if it is not given, wrong or out of range."""
        value = self._quantity(name, dimension)
        if value is None or least <= value <= most:
            return value
        span = f"{dimension.format(least)} to {dimension.format(most)}"
        self.wrong(name, "out of range", self.options[name], span)
        return None

    def _quantity(self, name: str, dimension: Dimension) -> float | None:
        given = self.options.get(name)
        if given is None or not isinstance(given, str):
            return self.number(name, f"{dimension.base} > 0")
        try:
            value = dimension.parse(given)
        except ValueError as error:
            self.problems.append(Problem(self.where, option(self.where, name), str(error), shown(given)))
            return None
        if value == 0.0:
            self.wrong(name, "must be > 0", given)
            return None
        return value

    def word(self, name: str, known: Mapping[str, float]) -> float | None:
        """The code of one of the known words, None if it is not given or wrong."""
        given = self.options.get(name)
        if given is None or (isinstance(given, str) and given in known):
            return None if given is None else known[given]
        self.wrong(name, "is unknown", given, f"one of {', '.join(known)}", nearest(str(given), known))
        return None

    def named(self, key: str, name: str | None, find: Callable[[str], Any]) -> Any:
        """What a preset or TOML file holds, None if it is not there or wrong."""
        place = "MODEL" if key == "model" and self.where == "command line" else option(self.where, key)
        if not name:
            self.problems.append(Problem(self.where, place, "is missing"))
            return None
        if not isinstance(name, str):
            self.problems.append(Problem(self.where, place, "must be a name or a path", shown(name)))
            return None
        try:
            return find(name)
        except ScenarioError as error:
            self.problems += [
                p if p.key else replace(p, file=self.where, key=place, got=shown(name)) for p in error.problems
            ]
        return None


def _number(given: object) -> float | None:
    """A number as it is given, None for anything else; too large a whole number is infinite."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    try:
        return float(given)
    except ValueError:
        return None
    except OverflowError:
        return math.inf


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
    if isinstance(net, Transformer):
        setting = Setting(models.model_row(net), plain["global_batch"] or 0, seq_len or 0, plain["count"])
        setting = replace(setting, schedule=plain["schedule"])
        if chip is not None:
            domain = uncut_domain(chip, fixed.get("tp", 1), plain["count"])
            setting = replace(setting, domain=int(domain), server=chip.accelerators_per_server or 1)
        whole = {name: int(code) for name, code in chosen.items()}
        reader.problems += problems(fixed | whole, setting, where)
    if reader.problems or not isinstance(net, Transformer) or chip is None or precision is None or seq_len is None:
        raise ScenarioError(reader.problems)
    choices: dict[str, Iterable[float]] = {name: [value] for name, value in (fixed | chosen).items()}
    domain = uncut_domain(chip, fixed.get("tp", 1), plain["count"])
    device = device_row(chip, precision, domain=domain, calibration=known)
    return Request(where, net, chip, device, precision, seq_len, fixed, choices, laws, **plain)


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
    }


def _states_b(reader: Reader) -> float:
    """Bytes of optimiser states a parameter: as given, or those of the optimiser."""
    given = reader.number("optimizer_bytes", "bytes a parameter", MOST_STATES_B)
    usual = reader.word("optimizer", STATES_B)
    if given is not None and reader.options.get("optimizer") is not None:
        names = [option(reader.where, name) for name in ("optimizer", "optimizer_bytes")]
        reader.problems.append(
            Problem(reader.where, names[0], f"{' and '.join(names)} exclude each other", fix="give one of them")
        )
    return given or usual or STATES_B["adam"]


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
    if chip is None:
        if given is not None and given not in PRECISIONS:
            reader.wrong("precision", "is unknown", given, f"one of {', '.join(PRECISIONS)}")
        return None
    has = [name for name in ("bf16", "fp16", "tf32", "fp32", "fp8", "fp4") if getattr(chip, name) is not None]
    if given is None and has:
        return has[0]
    if given in has:
        return str(given)
    if given is None:
        reader.wrong("accelerator", "no peak rate in any floating-point precision is known", chip.name)
    else:
        what = f"{chip.name} lacks this precision" if given in PRECISIONS else "is unknown"
        expected = f"one of {', '.join(has or PRECISIONS)}"
        reader.wrong("precision", what, given, expected)
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
