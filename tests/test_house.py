"""The measures that the house holds itself to: lengths, layers, circles, walls between rooms."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

import dcsim

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dcsim"
FILES = sorted(PACKAGE.rglob("*.py"))
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.py"))

# Who may import whom: only rooms of a lower layer, or their own; as built, see docs/architecture.md.
LAYERS = [
    {"units", "errors", "kernels"},
    {"plugins", "eventlog", "topologies"},
    {"scenario", "policies"},
    {"workloads", "metrics", "performance"},
    {"sim", "speeds", "training"},
    {"run", "tables", "results", "contract"},
    {"report", "sweep"},
    {"cli", "__main__"},
]
# These rooms of one layer know each other in one direction only, given here.
SIBLINGS = {
    ("results", "run"),
    ("results", "tables"),
    ("tables", "run"),
    ("__main__", "cli"),
    ("report", "sweep"),
    ("plugins", "errors"),
    ("training", "speeds"),
    ("topologies", "plugins"),
}
LAYER_OF = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "dcsim"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below `if TYPE_CHECKING`, which are no imports when the program runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from runtime_nodes(child)


def imports(path: Path, types_too: bool = True) -> Iterator[str]:
    """Full names of the modules that a file imports, lazy imports included."""
    for node in ast.walk(tree(path)) if types_too else runtime_nodes(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            modules = {name_of(f) for f in FILES}
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in modules else module


def test_functions_are_short():
    lengths = sorted(length(f) for path in FILES for f in functions(path))
    assert statistics.median(lengths) <= 10
    assert lengths[int(0.95 * len(lengths))] <= 30
    long = [f"{p}:{f.lineno} {f.name} {length(f)}" for p in FILES for f in functions(p) if length(f) > 60]
    assert not long


def test_files_are_short():
    long = {str(p): n for p in FILES if (n := p.read_text(encoding="utf-8").count("\n")) > 400}
    assert not long


def test_functions_take_at_most_six_arguments():
    def count(f: Function) -> int:
        names = [a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)]
        return len([name for name in names if name not in ("self", "cls")])

    many = [f"{p}:{f.lineno} {f.name} {count(f)}" for p in FILES for f in functions(p) if count(f) > 6]
    assert not many


def test_every_public_name_is_documented():
    bare = []
    for path in FILES:
        module = tree(path)
        if not ast.get_docstring(module):
            bare.append(str(path))
        for node in ast.walk(module):
            if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
                inner = any(
                    node in ast.walk(f) for f in ast.walk(module) if isinstance(f, Function) and f is not node
                )  # a function inside a function is private
                if not ast.get_docstring(node) and not inner:
                    bare.append(f"{path}:{node.lineno} {node.name}")
    assert not bare


def test_every_room_has_a_layer():
    rooms = {room(name_of(path)) for path in FILES} - {"dcsim"}
    assert rooms == set(LAYER_OF)


def test_imports_go_down_the_layers_only():
    wrong = []
    for path in FILES:
        here = room(name_of(path))
        for module in imports(path):
            there = room(module) if module.startswith("dcsim.") else ""
            if here in ("dcsim", there) or there not in LAYER_OF or (here, there) in SIBLINGS:
                continue
            if LAYER_OF[there] >= LAYER_OF[here]:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong


def test_nothing_inside_imports_the_public_face():
    wrong = [str(p) for p in FILES for m in imports(p) if m == "dcsim" and room(name_of(p)) not in ("dcsim", "cli")]
    # `from dcsim import plugins` names a room, not the face, and is resolved to it above.
    assert not wrong


def test_experiments_know_dcsim_by_its_face_alone():
    for path in EXPERIMENTS:
        assert not [module for module in imports(path) if module.startswith("dcsim.")], path
        used = [n for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "dcsim"]
        assert {node.attr for node in used} <= set(dcsim.__all__), path


def test_there_is_no_circle_of_imports():
    graph = {name_of(p): {m for m in imports(p, types_too=False) if m.startswith("dcsim.")} for p in FILES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(graph.get(module, ())):
                visit(other, (*path, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("simpy", {"sim"}),
        ("plotly", {"report"}),
        ("matplotlib", {"report"}),
        ("pyarrow", {"tables", "results", "sweep"}),
        ("rich", set()),
        ("pydantic", {"scenario", "units", "workloads", "speeds", "sweep"}),
        ("pydantic_core", {"scenario", "units"}),
        ("networkx", {"topologies"}),
        ("scipy", {"performance", "sweep"}),
        ("numba", {"kernels"}),
        ("pandas", {"sweep"}),
        ("optuna", {"sweep"}),
        ("SALib", {"sweep"}),
    ],
)
def test_a_library_stays_in_its_room(library: str, homes: set[str]):
    guests = {room(name_of(p)) for p in FILES for m in imports(p) if m.split(".")[0] == library}
    assert guests <= homes


def test_metrics_and_policies_never_know_the_simulation():
    for path in [*PACKAGE.glob("metrics/**/*.py"), *PACKAGE.glob("policies/**/*.py")]:
        assert not [m for m in imports(path) if m.startswith(("dcsim.sim", "simpy"))], path


def test_only_the_command_line_prints():
    def speaks(path: Path) -> bool:
        text = path.read_text(encoding="utf-8")
        return bool(re.search(r"(?<![\w.])print\(|sys\.(stdout|stderr)\.write", text))

    assert {room(name_of(p)) for p in FILES if speaks(p)} <= {"cli", "__main__"}


def test_only_results_writes_files():
    pattern = re.compile(
        r"(?<!results)\.write_(text|bytes)\(|\bopen\([^)]*[\"'][wax]|mkdir\(|\.(rename|replace|unlink)\(Path|rmtree\("
    )
    writers = {str(p.relative_to(PACKAGE)) for p in FILES if pattern.search(p.read_text(encoding="utf-8"))}
    assert writers <= {"results.py"}


def test_only_units_knows_conversion_factors():
    # Seconds in an hour, a day, a week; bits and bytes.
    factor = re.compile(r"(?<![\w.])(3600|86400|86_400|604800|604_800|1024)(\.0)?(?![\w.])")
    homes = {
        str(p.relative_to(PACKAGE)): m.group()
        for p in FILES
        for line in p.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith(("#", '"', "`")) and (m := factor.search(line.split("#")[0]))
    }
    homes.pop("units.py", None)
    assert not homes


def test_nothing_is_left_to_do_and_no_code_is_commented_out():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    code = re.compile(r"^\s*#\s*(def |class |import |from \w+ import |if .*:$|for .*:$|return |\w+ = \w+\()")
    others = sorted(path for room in ("tests", "benchmarks") for path in (ROOT / room).rglob("*.py"))
    hits = [
        f"{p.relative_to(ROOT)}:{n}: {line.strip()}"
        for p in [*FILES, *EXPERIMENTS, *others]
        if p != Path(__file__)
        for n, line in enumerate(p.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line) or code.search(line)
    ]
    assert not hits


def test_the_locked_versions_are_plain_lines():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.+!\-]+", line) for line in lines)
