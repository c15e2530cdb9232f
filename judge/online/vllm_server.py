"""Responses drawn by a vLLM server on machines of its own, which is sent the weights first.

The server runs ``vllm serve`` with ``VLLM_SERVER_DEV_MODE=1``, whose routes for reinforcement
learning take weights: over NCCL between GPUs, by vLLM's own sender, as TRL's ``VLLMClient`` does
it; without a GPU through a folder that both see.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from judge.engine_options import engine_kind
from judge.errors import RowError, UsageError, first_line
from judge.infer.engines.server.http_faults import Broken, Fault, Refused
from judge.infer.engines.writing import Drawing, Speech
from judge.online.policy_weights import is_tied, whole_weights
from judge.train.align.rloo_config import RolloutSection
from judge.train.align.rollouts import DrawnTokens

if TYPE_CHECKING:
    from judge.infer.engines.server.http_client import Read

T = TypeVar("T")
IN_FLIGHT, PATIENCE = 256, 600.0
"""Requests of a process, and the seconds that the server may be away or a reply take."""
AGAIN = "what is written is kept, run the same command again to continue"


class ServedRollouts:
    """A :class:`judge.train.align.rollouts.RolloutEngine` that asks a vLLM server.

    Each process of a launch asks for its own responses; the first one sends the weights.

    Args:
        section: how responses are drawn, and where the server is.
        tokenizer: of the policy.
        context: the most tokens of a prompt and its response.
        note: told in one line when the server keeps the run waiting.

    Raises:
        UsageError: when the server does not answer, or takes fewer tokens.
    """

    whole_policy = False

    def __init__(
        self,
        section: RolloutSection,
        tokenizer: Any,
        context: int,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        engine_kind("server").check_installed("server")
        from judge.infer.engines.server.http_client import Client, Patience

        self._drawing = Drawing(section.max_new_tokens, section.temperature)
        self._ends = sorted(Speech(tokenizer, {}, context, self._drawing).ends)
        names = ("the most that it is waited for",) * 2
        patience = Patience(IN_FLIGHT, PATIENCE, PATIENCE, names)
        self._client = Client(section.url or "", patience, note)
        self._root = self._client.url.removesuffix("/v1")
        card = self._ask("/models", None, lambda reply: dict(reply["data"][0]))
        self._model = str(card["id"])
        most = card.get("max_model_len")
        if most is not None and most < context:
            raise UsageError(
                f"{self._client.url} takes {most} tokens, max_length is {context}: start it with"
                f" --max-model-len {context}"
            )
        self._sender: Any = None

    def describe(self) -> dict[str, Any]:
        return {"engine": "vllm", "mode": "server", **self._drawing.describe()}

    def draw(
        self, policy: Any, prompts: Sequence[Sequence[int]], seeds: Sequence[int]
    ) -> list[DrawnTokens]:
        """As :meth:`judge.train.align.rollouts.RolloutEngine.draw`."""
        self._hand_over(policy)
        # No entry of the server's prefix cache that older weights computed has this salt.
        salt = uuid4().hex
        return self._client.run(
            self._client.gather,
            partial(self._one, salt),
            list(zip(prompts, seeds, strict=True)),
        )

    async def _one(self, salt: str, asked: tuple[Sequence[int], int]) -> DrawnTokens:
        prompt, seed = asked
        body = {
            "model": self._model,
            "prompt": list(prompt),
            "max_tokens": self._drawing.max_new_tokens,
            "temperature": self._drawing.temperature,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "seed": seed,
            "stop_token_ids": self._ends,
            "return_token_ids": True,
            "cache_salt": salt,
        }
        return await self._asked("/completions", body, self._read)

    def _read(self, reply: dict[str, Any]) -> DrawnTokens:
        [choice] = reply["choices"]
        tokens = tuple(map(int, choice["token_ids"]))
        if not tokens or choice["finish_reason"] not in ("stop", "length"):
            raise Broken(f"a response that ended by {choice['finish_reason']}")
        return DrawnTokens(tokens, tokens[-1] in self._ends)

    def _hand_over(self, policy: Any) -> None:
        """Give the server the policy's weights; every process has to take part.

        Raises:
            UsageError: when they did not arrive.
        """
        import torch

        try:
            if torch.cuda.is_available():
                self._send(policy)
            else:
                self._lay_down(policy)
        except UsageError:
            raise
        except Exception as error:  # vLLM, NCCL and requests have classes of their own
            said = f"{self._root} did not get the weights: {first_line(error)}"
            raise UsageError(f"{said}; {AGAIN}") from error
        if _rank() is not None:
            torch.distributed.barrier()  # no response is drawn before they are there

    def _send(self, policy: Any) -> None:
        """Send the weights between GPUs. Not tested by this project, which has none."""
        if self._sender is None:
            from vllm.distributed.weight_transfer.clients import HTTPVLLMWeightSyncClient
            from vllm.distributed.weight_transfer.nccl_engine import (
                NCCLTrainerInitInfo,
                NCCLTrainerWeightTransferEngine,
            )

            rank = _rank() or 0
            workers = self._ask(f"{self._root}/get_world_size", None, lambda r: r["world_size"])
            address, port = _own_address(self._root) if rank == 0 else ("", 0)
            about = NCCLTrainerInitInfo(address, port, int(workers) + 1, rank=rank)
            client = HTTPVLLMWeightSyncClient(self._root, PATIENCE)
            self._sender = NCCLTrainerWeightTransferEngine.trainer_init(
                about, client=client, source=_source(policy)
            )
        self._sender.send_weights()

    def _lay_down(self, policy: Any) -> None:
        """Write the weights into a folder that the server reads before this returns."""
        from safetensors.torch import save_file

        if is_tied(policy):  # vLLM packs the head away on a CPU: it would stay as it was first
            raise UsageError(
                "without a GPU a vLLM server does not take the weights of a model whose embeddings"
                " are tied; rollout.mode=colocate does"
            )
        weights = {name: value.contiguous() for name, value in whole_weights(policy)}
        if _rank():
            return
        with TemporaryDirectory() as folder:
            save_file(weights, Path(folder) / "model.safetensors")
            body = {"method": "reload_weights", "kwargs": {"weights_path": folder}}
            self._ask(f"{self._root}/collective_rpc", body, lambda reply: None)

    def _ask(self, path: str, body: dict[str, Any] | None, read: Read[T]) -> T:
        said: T = self._client.run(self._asked, path, body, read)
        return said

    async def _asked(self, path: str, body: dict[str, Any] | None, read: Read[T]) -> T:
        """Return what ``read`` makes of the reply.

        Raises:
            UsageError: when there is none.
        """
        try:
            return await self._client.insist(path, body, read)
        except (Refused, RowError) as fault:
            hint = ""
            if getattr(fault, "status", None) == 404 and "://" in path:
                hint = " (is it vllm serve with VLLM_SERVER_DEV_MODE=1?)"
            raise UsageError(f"{self._root} refuses: {fault}{hint}; {AGAIN}") from None
        except Fault as fault:
            raise UsageError(f"{self._root} does not answer: {fault}; {AGAIN}") from None


def _source(policy: Any) -> Any:
    """Return the policy's weights as vLLM's sender takes them: fresh at every pass."""
    from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

    class PolicySource(WeightSource):  # type: ignore[misc]
        def __init__(self) -> None:
            self._known: list[Any] | None = None

        def metadata(self) -> list[Any]:
            if self._known is None:
                self._known = [
                    ParamMeta(name, value.dtype, tuple(value.shape))
                    for name, value in whole_weights(policy)
                ]
            return self._known

        def __iter__(self) -> Iterator[tuple[str, Any]]:
            return whole_weights(policy)

    return PolicySource()


def _rank() -> int | None:
    """Return which process of a launch this is; None where it is the only one."""
    import torch.distributed as dist

    launched = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    return dist.get_rank() if launched else None


def _own_address(url: str) -> tuple[str, int]:
    """Return the address by which the server can reach this machine, and a free port."""
    parts = urlsplit(url)
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.connect((parts.hostname or "", parts.port or 80))  # sends nothing
        address = str(probe.getsockname()[0])
    with closing(socket.create_server(("", 0))) as free:
        return address, int(free.getsockname()[1])
