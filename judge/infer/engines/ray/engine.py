"""The Ray engine: replicas of the vLLM engine on the GPUs of many nodes, fed by Ray Data.

Ray Data's dataset is the stream of windows: one reading task hands them on as they come, a pool of
actors judges them (:class:`judge.infer.engines.ray.replica.Replica`), the answers come back in
order. Ray starts an actor again that is lost with its node, and has its windows judged once more.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import threading
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from judge.config import BatchConfig
from judge.errors import UsageError, first_line
from judge.infer.engines.protocol import Counts
from judge.infer.engines.ray.plan import RayNode, RayPlan, plan
from judge.infer.pairwise import Numbered
from judge.judgment import Failure, Judgment
from judge.prompt import Template

AHEAD = 3
"""Windows a replica has at hand: one that it judges, the next, and one that waits its turn to be
written behind a slower replica's."""
RETRIES = 3
"""So often a window is judged again whose replica was lost; what takes down each one stops the
run."""


class RayJudge:
    """Judges windows on the replicas of a Ray cluster; a :class:`judge.infer.protocols.Streamed`.

    Args:
        note: told what is started.

    Raises:
        UsageError: in one line, when no cluster is reached, it has too few GPUs, or the replicas
            cannot load the model.
    """

    def __init__(
        self, config: BatchConfig, template: Template, note: Callable[[str], None]
    ) -> None:
        self._config = config
        self._counts = Counts()
        self._sent = self._taken = 0
        ours = _connect(config.ray_address)
        self._plan = plan(config, _nodes())
        note(_told(self._plan))
        self._queue, self._answers = _start(config, template, self._plan)
        self._close = weakref.finalize(self, _stop, self._queue, ours)
        self._described: dict[str, Any] = {}
        self._send([])  # the first answer says what the replicas are
        self._take()

    def judge_windows(
        self, windows: Iterator[Sequence[Numbered]]
    ) -> Generator[list[Judgment | Failure]]:
        """Yield the results of each window, in order; a few windows are read ahead of them.

        Raises:
            UsageError: when the replicas cannot go on; what was yielded before is sound.
        """
        damage: UsageError | None = None
        try:
            while True:
                while self._sent - self._taken < AHEAD * self._plan.replicas:
                    try:
                        window = next(windows, None)
                    except UsageError as error:  # of the input; what came before it is judged
                        damage, window = error, None
                    if window is None:
                        break
                    self._send(window)
                if self._sent == self._taken:
                    break
                yield self._take()
        finally:
            self._close()
        if damage is not None:
            raise damage

    def describe(self) -> dict[str, Any]:
        """As :meth:`judge.infer.protocols.PairJudge.describe`: what a replica's engine says."""
        return {f"engine.{name}": value for name, value in self._described.items()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what all replicas together did."""
        return {"judge": self._counts.to_json()}

    def _send(self, window: Sequence[Numbered]) -> None:
        self._queue.put(pickle.dumps((self._sent, list(window))))
        self._sent += 1

    def _take(self) -> list[Judgment | Failure]:
        """Return the results of the window that is due."""
        try:
            number, answer = pickle.loads(next(self._answers)["answer"][0])
        except (
            Exception
        ) as error:  # Ray, and whatever broke in a replica, have classes of their own
            self._close()
            raise UsageError(f"Ray failed: {first_line(error)}; {_KEPT}") from error
        if number != self._taken:
            raise UsageError(f"Ray gave window {number} instead of {self._taken}; {_KEPT}")
        if "problem" in answer:
            self._close()
            raise UsageError(answer["problem"])
        self._taken += 1
        self._same(answer["described"])
        for name, count in answer["counts"].items():
            setattr(self._counts, name, getattr(self._counts, name) + count)
        results: list[Judgment | Failure] = answer["results"]
        return results

    def _same(self, described: dict[str, Any]) -> None:
        """Stop a run whose replicas are not the same: it would not be one run."""
        described = {**described, "engine": "ray"}
        self._described = self._described or described
        names = [name for name, value in described.items() if value != self._described[name]]
        if names:
            name = names[0]
            raise UsageError(
                f"the replicas differ in {name}: {self._described[name]} and {described[name]};"
                " every node needs the same model, GPUs and versions"
            )


_KEPT = "what is written is kept, run the same command again to continue"


def _told(plan: RayPlan) -> str:
    each = f"{plan.gpus} GPUs each" if plan.gpus else "a core each, no GPU"
    copies = "1 replica" if plan.replicas == 1 else f"{plan.replicas} replicas"
    return f"Ray: {copies}, {each}"


def _connect(address: str | None) -> bool:
    """Join the cluster at ``address``, or start one here; say whether it is to be left again.

    Raises:
        UsageError: when there is no cluster at ``address``.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS")
    _reachable(address)
    ended = signal.getsignal(signal.SIGTERM)
    ours = threading.current_thread() is threading.main_thread()
    try:
        ray.init(
            address=address, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
    except Exception as error:  # ConnectionError, ValueError, RuntimeError and Ray's own
        where = address or "this machine"
        raise UsageError(f"no Ray cluster at {where}: {first_line(error)}") from error
    finally:
        if ours:  # Ray's handler would end the process in mid-write
            signal.signal(signal.SIGTERM, ended)
    return True


def _reachable(address: str | None) -> None:
    """Stop where nobody listens at ``address``: Ray itself would try for many minutes."""
    if address in (None, "auto", "local"):
        return
    host, _, port = str(address).rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise UsageError(f"no address of a Ray cluster: {address}; expected auto or HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=30).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"no Ray cluster at {address}: {first_line(error)}") from None


def _nodes() -> list[RayNode]:
    import ray

    return [
        RayNode(int(node["Resources"].get("GPU", 0)), int(node["Resources"].get("CPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]


def _start(config: BatchConfig, template: Template, plan: RayPlan) -> tuple[Any, Iterator[Any]]:
    """Return the queue that windows go into, and the answers that come out."""
    import ray.data
    from ray.util.queue import Queue

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    context.target_max_block_size = 1  # bytes: no window waits for another to fill a block
    queue = Queue(actor_options={"num_cpus": 0})
    source: Any = _source(queue)
    with warnings.catch_warnings():
        # max_task_retries has no other place in Ray 2.60; the extra pins it.
        warnings.simplefilter("ignore", DeprecationWarning)
        answers = ray.data.read_datasource(source, override_num_blocks=1, num_cpus=0).map_batches(
            _replica(),
            fn_constructor_args=(config, template, os.getcwd()),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=plan.replicas, max_tasks_in_flight_per_actor=2),
            num_cpus=1,
            num_gpus=plan.gpus,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
    # No batch is fetched ahead: it would be waited for before this one is given out.
    return queue, iter(answers.iter_batches(batch_size=None, prefetch_batches=0))


def _replica() -> Any:
    from judge.infer.engines.ray.replica import Replica

    return Replica


def _source(queue: Any) -> Any:
    """Return the data source whose rows are what is put into ``queue``, until None is."""
    import pyarrow
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    def read() -> Iterator[Any]:
        while (window := queue.get()) is not None:
            yield pyarrow.table({"window": [window]})

    class Windows(Datasource):  # type: ignore[misc]
        supports_distributed_reads = False  # the task stays with the driver, as long as it lives

        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, **others: Any) -> list[Any]:
            nothing_known = BlockMetadata(None, None, None, None)
            return [ReadTask(read, nothing_known)]

    return Windows()


def _stop(queue: Any, ours: bool) -> None:
    """End the reading task and with it the replicas; leave the cluster if it was joined here."""
    import ray

    if ours:
        ray.shutdown()
    elif ray.is_initialized():
        queue.put(None)
