"""Sweeps on a real Dask scheduler with two worker processes, some of which are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import dcsim
from dcsim.scenario.load import load
from dcsim.sweep.executors.dask import Dask, work_there
from dcsim.sweep.work import Task
from tests.conftest import ROOT
from tests.sweep.given import BASE, EXPERIMENT, command, contents, experiment, kept

pytest.importorskip("distributed")

QUIET = {"env": os.environ | {"PYTHONPATH": str(ROOT)}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
LONG = BASE.replace("jobs = 60", "jobs = 6000")
READER = '''\
"""Jobs that are written down each time they are read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dcsim.scenario.jobs import JobTable


@dataclass(frozen=True)
class Diary:
    """Ten jobs."""

    def load(self, context):
        """Read them."""
        with Path("DIARY").open("a") as file:
            file.write("read ")
        times = np.arange(10.0)
        return JobTable(times, times + 1.0, np.ones(10, np.int32), times + 1.0)
'''


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its workers, each a process of its own."""

    address: str
    processes: list[subprocess.Popen[bytes]]


def written(file: Path, scheduler: subprocess.Popen[bytes]) -> str:
    """The address that a scheduler writes down once it listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and scheduler.poll() is None:
        with suppress(FileNotFoundError, json.JSONDecodeError):  # not yet, or not yet whole
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.05)
    raise TimeoutError(f"no scheduler of Dask listens; it ended with {scheduler.poll()}")


@contextmanager
def dask(folder: Path) -> Iterator[Cluster]:
    """A scheduler and two workers.

    The scheduler takes whatever port is free and says which: one chosen here beforehand may be taken by the time it
    starts, by an HTTP server of a worker, say, which lets a client wait for an hour.
    """
    from distributed import Client

    file, cli, there = folder / f"scheduler-{time.monotonic_ns()}.json", "distributed.cli.dask_", "--no-dashboard"
    python, port = [sys.executable, "-m"], ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
    started = [subprocess.Popen([*python, f"{cli}scheduler", *port, there], **QUIET)]
    try:
        address = written(file, started[0])
        alone = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", there]
        started += [subprocess.Popen([*python, f"{cli}worker", address, *alone], **QUIET) for _ in range(2)]
        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield Cluster(address, started)
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    with dask(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster.address


def test_dask_makes_the_same_table(tmp_path, address, alone):
    done = command("sweep", experiment(tmp_path), "--out", tmp_path / "out", "--dask", address, "--quiet")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert contents(tmp_path / "out") == alone


def test_a_dask_address_that_nobody_answers_is_an_error(tmp_path):
    words = ["--out", tmp_path / "out", "--dask", f"tcp://127.0.0.1:{free_port()}"]
    done = command("sweep", experiment(tmp_path), *words, timeout=60)
    assert done.returncode == 3
    assert "dcsim: error: --dask: no Dask scheduler answers (got 'tcp://127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr


def silent() -> Iterator[int]:
    """The port of somebody who takes calls and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield int(found.getsockname()[1])


def http() -> Iterator[int]:
    """The port of a server of HTTP."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def ssh() -> Iterator[int]:
    """The port of somebody who greets in another protocol."""

    def greet() -> None:
        with suppress(OSError):
            while True:
                calls.append(found.accept()[0])
                calls[-1].sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

    calls: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as found:
        Thread(target=greet, daemon=True).start()
        yield int(found.getsockname()[1])


@pytest.mark.parametrize(
    ("listener", "address", "why"),
    [
        (silent, "tcp", "who listens there says nothing in Dask's protocol within 8 s"),
        (http, "tcp", "who listens there says nothing in Dask's protocol within 8 s"),
        (ssh, "tcp", "who listens there speaks another protocol"),
        (silent, "tls", "TLS expects"),
        (silent, "foo", "unknown address scheme 'foo'"),
    ],
)
def test_an_address_where_no_scheduler_listens_is_an_error(tmp_path, listener, address, why):
    with contextmanager(listener)() as port:
        words = ["--out", tmp_path / "out", "--dask", f"{address}://127.0.0.1:{port}"]
        done = command("sweep", experiment(tmp_path), *words, timeout=60)
    assert done.returncode == 3
    assert done.stderr.startswith("dcsim: error: --dask: no Dask scheduler answers")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_address_of_a_worker_is_told_from_that_of_a_scheduler(tmp_path, address):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
    done = command("sweep", experiment(tmp_path), "--out", tmp_path / "out", "--dask", worker)
    assert done.returncode == 3
    assert "who answers is no scheduler" in done.stderr


def diary(folder: Path) -> Path:
    """An experiment whose workload writes down each time it is read."""
    (folder / "plugins" / "workloads").mkdir(parents=True)
    (folder / "plugins" / "workloads" / "diary.py").write_text(READER.replace("DIARY", f"{folder}/read"))
    base = BASE[: BASE.index("[workload]")] + '[workload]\nuse = "diary"\n'
    return experiment(folder, base=base)


def test_a_trace_is_parsed_once_for_all_workers_of_dask(tmp_path, address):
    words = ["--out", tmp_path / "out", "--plugins", tmp_path / "plugins", "--dask", address]
    done = command("sweep", diary(tmp_path), *words)
    assert done.returncode == 0, done.stderr
    assert "12 runs: 12 done" in done.stdout
    assert (tmp_path / "read").read_text() == "read "


def test_a_worker_that_does_not_see_the_folder_parses_a_trace_once(tmp_path):
    diary(tmp_path)
    loaded = load(tmp_path / "queue.toml", plugins=[tmp_path / "plugins"])
    for number in range(3):
        assert work_there(Task(number, loaded), tmp_path / "elsewhere" / "traces").error is None
    assert (tmp_path / "read").read_text() == "read "
    assert not (tmp_path / "elsewhere").exists()


def begun(folder: Path, address: str, runs: int) -> subprocess.Popen[str]:
    """A sweep on Dask of which at least so many runs are done."""
    words = ["sweep", folder / "experiment.toml", "--out", folder / "out", "--dask", address]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    made = subprocess.Popen([sys.executable, "-m", "dcsim", *words], env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while kept(folder / "out" / "sizes" / "runs.sqlite") < runs and made.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return made


def test_a_scheduler_that_is_killed_is_an_error_and_the_same_command_goes_on(tmp_path):
    path = experiment(tmp_path, EXPERIMENT.replace("seeds = 3", "seeds = 4"), LONG)
    with dask(tmp_path) as cluster:
        sweep = begun(tmp_path, cluster.address, 2)
        for process in cluster.processes:
            process.send_signal(signal.SIGKILL)
        _, said = sweep.communicate(timeout=90)
    assert sweep.returncode == 3
    assert f"dcsim: error: --dask: the Dask scheduler is gone (got '{cluster.address}')" in said
    assert "the same command makes what is left" in said
    assert len(said.splitlines()) == 1
    finished = kept(tmp_path / "out" / "sizes" / "runs.sqlite")
    assert 2 <= finished < 16
    seen = []
    with dask(tmp_path) as another:
        dcsim.sweep(path, tmp_path / "out", dask=another.address, progress=seen.append)
    assert (seen[-1].kept, seen[-1].done, seen[-1].failed) == (finished, 16 - finished, 0)
    dcsim.sweep(path, tmp_path / "here", workers=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "here")


def test_a_worker_of_dask_that_is_killed_costs_nothing(tmp_path):
    experiment(tmp_path, EXPERIMENT, LONG)
    with dask(tmp_path) as cluster:
        sweep = begun(tmp_path, cluster.address, 1)
        cluster.processes[1].send_signal(signal.SIGKILL)
        _, said = sweep.communicate(timeout=90)
    assert sweep.returncode == 0, said
    assert kept(tmp_path / "out" / "sizes" / "runs.sqlite") == 12


def test_a_result_that_dies_with_its_worker_is_made_anew(tmp_path):
    from distributed import Client

    (tmp_path / "queue.toml").write_text(BASE)
    with dask(tmp_path) as cluster, Client(cluster.address, set_as_default=False) as client:
        address = {pid: worker for worker, pid in client.run(os.getpid).items()}
        worker, task = cluster.processes[1], Task(0, load(tmp_path / "queue.toml"))
        future = client.submit(work_there, task, tmp_path, workers=address[worker.pid], allow_other_workers=True)
        future.result()
        worker.kill()
        deadline = time.monotonic() + 60
        while future.status == "finished" and time.monotonic() < deadline:
            time.sleep(0.001)
        assert Dask(cluster.address, tmp_path)._outcome(future).error is None
