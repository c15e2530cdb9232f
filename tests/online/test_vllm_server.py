"""Rollouts by a vLLM server, here a scripted one: what it is sent, and what goes wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from judge.errors import UsageError
from judge.infer.engines.server import http_client
from judge.online import vllm_server
from judge.online.rloo import engine_of
from judge.online.rollouts import TransformersRollouts
from judge.online.vllm_server import ServedRollouts
from judge.train.align.rloo_config import RLOOConfig, RolloutSection
from judge.train.align.rollouts import DrawnTokens

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Scripted(ThreadingHTTPServer):
    """Answers as vLLM does: a response is its request's seed, and its end where that is even."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.weights: list[dict[str, torch.Tensor]] = []
        self.takes_weights = True
        self.finish = "stop"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(200, {"data": [{"id": "policy", "max_model_len": 64}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/collective_rpc" and self.server.takes_weights:
            assert body["method"] == "reload_weights"
            folder = Path(body["kwargs"]["weights_path"])
            self.server.weights.append(load_file(folder / "model.safetensors"))
            self._answer(200, {"results": [None]})
        elif self.path == "/v1/completions":
            self.server.asked.append(body)
            end = [] if body["seed"] % 2 else [body["stop_token_ids"][0]]
            finish = self.server.finish if end else "length"
            choice = {"token_ids": [body["seed"], *end], "finish_reason": finish}
            self._answer(200, {"choices": [choice]})
        else:
            self._answer(404, {"detail": "Not Found"})

    def _answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    monkeypatch.setattr(vllm_server, "PATIENCE", 0.5)
    with Scripted() as scripted:
        threading.Thread(target=scripted.serve_forever, args=(0.02,), daemon=True).start()
        yield scripted
        scripted.shutdown()


@pytest.fixture(scope="module")
def policy() -> Any:
    shape = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24}
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    return LlamaForCausalLM(LlamaConfig(**shape, **layers, tie_word_embeddings=False))


def engine(server: Scripted, tokenizer: Any, context: int = 64) -> ServedRollouts:
    section = RolloutSection(engine="vllm", mode="server", url=server.url, max_new_tokens=5)
    return ServedRollouts(section, tokenizer, context)


def test_weights_go_first_and_every_response_has_its_seed(
    server: Scripted, mini_tokenizer: Any, policy: Any
) -> None:
    drawing = engine(server, mini_tokenizer)
    prompts = [[1, 2], [1, 2], [3]]
    drawn = drawing.draw(policy, prompts, [11, 12, 13])
    end = server.asked[0]["stop_token_ids"][0]
    assert drawn == [
        DrawnTokens((11,), False),
        DrawnTokens((12, end), True),
        DrawnTokens((13,), False),
    ]
    [weights] = server.weights
    assert weights.keys() == dict(policy.named_parameters()).keys()
    assert all(torch.equal(weights[name], value) for name, value in policy.named_parameters())
    by_seed = sorted(server.asked, key=lambda body: int(body["seed"]))
    assert [body["prompt"] for body in by_seed] == prompts
    assert {body["max_tokens"] for body in server.asked} == {5}
    assert mini_tokenizer.eos_token_id in server.asked[0]["stop_token_ids"]
    drawing.draw(policy, prompts, [11, 12, 13])
    assert len(server.weights) == 2
    assert len({body["cache_salt"] for body in server.asked}) == 2, "one a rollout: nothing is old"


def test_a_server_without_the_routes_for_weights_is_told(
    server: Scripted, mini_tokenizer: Any, policy: Any
) -> None:
    server.takes_weights = False
    with pytest.raises(UsageError, match=r"HTTP 404: Not Found \(is it .*VLLM_SERVER_DEV_MODE=1"):
        engine(server, mini_tokenizer).draw(policy, [[1]], [1])


def test_tied_embeddings_do_not_reach_a_server_without_a_gpu(
    server: Scripted, mini_tokenizer: Any, policy: Any
) -> None:
    tied = LlamaForCausalLM(LlamaConfig(**policy.config.to_dict() | {"tie_word_embeddings": True}))
    with pytest.raises(UsageError, match="whose embeddings are tied"):
        engine(server, mini_tokenizer).draw(tied, [[1]], [1])
    assert not server.weights and not server.asked


def test_a_response_that_was_aborted_stops_the_run(
    server: Scripted, mini_tokenizer: Any, policy: Any
) -> None:
    server.finish = "abort"
    with pytest.raises(UsageError, match=r"a response that ended by abort; what is written"):
        engine(server, mini_tokenizer).draw(policy, [[1]], [2])


def test_a_server_that_takes_fewer_tokens(server: Scripted, mini_tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="takes 64 tokens, max_length is 65: start it with --max"):
        engine(server, mini_tokenizer, 65)


def test_a_server_that_goes_away(server: Scripted, mini_tokenizer: Any, policy: Any) -> None:
    drawing = engine(server, mini_tokenizer)
    server.shutdown()
    server.server_close()
    with pytest.raises(UsageError) as stopped:
        drawing.draw(policy, [[1]], [1])
    assert "gave no answer for 0.5 seconds" in str(stopped.value)
    assert str(stopped.value).endswith("run the same command again to continue")


def test_a_recipe_says_what_draws(
    server: Scripted, mini_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn_by(**rollout: Any) -> Any:
        section = {"max_new_tokens": 5, **rollout}
        recipe = {"model": "mini", "data": "d", "output_dir": "o", "learning_rate": 1e-6, "beta": 0}
        config = RLOOConfig(**recipe, max_length=64, rollout=section)
        return engine_of(config, mini_tokenizer, lambda text: None)

    assert isinstance(drawn_by(), TransformersRollouts)
    assert isinstance(drawn_by(engine="vllm", mode="server", url=server.url), ServedRollouts)
    monkeypatch.setattr("judge.engine_options.find_spec", lambda library: None)
    with pytest.raises(UsageError, match="engine vllm needs vLLM, which is not installed here"):
        drawn_by(engine="vllm")
