"""The engines by name: what each needs, can do, and has as options of its own.

A new engine is an entry of :data:`ENGINES`, and the function that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from judge.errors import UsageError
from judge.options import Option

OF_VLLM = Option(panel="vLLM (--engine vllm, ray)")
OF_RAY = "Many nodes (--engine ray)"


@dataclass(frozen=True)
class EngineKind:
    """What is known of an engine before it is loaded."""

    load: str
    """``module:function``: configuration, template and note to an engine with its model loaded, or
    to whoever judges whole windows."""
    libraries: tuple[tuple[str, str], ...] = ()
    """What it imports beyond the core, and what people call that."""
    install: str = ""
    """How these are installed."""
    many: bool = False
    """Whether it judges many pairs at once: each window waits for its slowest row."""
    write: str = ""
    """``module:function``: configuration of answers and note to who writes them; empty where it
    only judges."""
    judges_windows: bool = False
    """Whether it judges whole windows in processes elsewhere: for files alone."""

    def check_installed(self, name: str) -> None:
        """Look whether its libraries are there.

        Raises:
            UsageError: in one line, naming what to install.
        """
        for library, title in self.libraries:
            if find_spec(library) is None:
                raise UsageError(
                    f"engine {name} needs {title}, which is not installed here: {self.install}"
                )


ENGINES: dict[str, EngineKind] = {
    "transformers": EngineKind(
        "judge.infer.engines.transformers.load:load_transformers_engine",
        write="judge.infer.engines.transformers.writer:load_transformers_writer",
    ),
    "vllm": EngineKind(
        "judge.infer.engines.vllm.load:load_vllm_engine",
        (("vllm", "vLLM"),),
        "pip install 'pairwise-justifier[vllm]' in an environment of its own; without a GPU make"
        " setup-vllm (docs/vllm.md)",
        many=True,
        write="judge.infer.engines.vllm.load:load_vllm_writer",
    ),
    "server": EngineKind(
        "judge.infer.engines.server.load:load_server_engine",
        (("httpx2", "httpx2"), ("tenacity", "tenacity")),
        "pip install 'pairwise-justifier[server]'",
        many=True,
        write="judge.infer.engines.server.writer:load_server_writer",
    ),
    "ray": EngineKind(
        "judge.infer.engines.ray.engine:RayJudge",
        (("ray", "Ray"),),
        "pip install 'pairwise-justifier[ray,vllm]' in an environment of its own (docs/vllm.md)",
        many=True,
        judges_windows=True,
    ),
}
AUTO = "auto"
"""The engine that runs any model: transformers."""
if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = Literal[(AUTO, *ENGINES)]


def engine_kind(name: str) -> EngineKind:
    """Return the engine called ``name``."""
    return ENGINES["transformers" if name == AUTO else name]


class VllmOptions(BaseModel):
    """How vLLM runs a model, for engine ``vllm``: names and meaning are vLLM's. None leaves the
    choice to vLLM; what it chose is recorded where results depend on it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    tensor_parallel_size: Annotated[int | None, OF_VLLM] = Field(default=None, ge=1)
    """GPUs that share every layer."""
    pipeline_parallel_size: Annotated[int | None, OF_VLLM] = Field(default=None, ge=1)
    """Groups of GPUs that have some of the layers each."""
    quantization: Annotated[str | None, OF_VLLM] = None
    """How weights are quantized while they are loaded, as ``fp8_per_tensor``; a checkpoint that is
    stored quantized says so itself."""
    gpu_memory_utilization: Annotated[float | None, OF_VLLM] = Field(default=None, gt=0, le=1)
    """Share of a GPU's memory that vLLM may take, for weights and key-value cache."""
    max_model_len: Annotated[int | None, OF_VLLM] = Field(default=None, ge=1)
    """The most tokens of a prompt and its completion, where the model's own context is more than
    the cache holds."""
    max_num_seqs: Annotated[int | None, OF_VLLM] = Field(default=None, ge=1)
    """Most prompts in a batch."""
    max_num_batched_tokens: Annotated[int | None, OF_VLLM] = Field(default=None, ge=1)
    """Most tokens that go through the model at once."""
    enforce_eager: Annotated[bool | None, OF_VLLM] = None
    """Do not compile or capture graphs: a faster start, a slower run. Always so on a CPU."""

    @field_validator("quantization")
    @classmethod
    def _says_how(cls, quantization: str | None) -> str | None:
        if quantization == "fp8":
            raise ValueError(
                "vLLM quantizes to fp8_per_tensor or fp8_per_block; an fp8 checkpoint needs no"
                " quantization"
            )
        return quantization


class RayOptions(BaseModel):
    """Where the replicas of engine ``ray`` are. No result depends on it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    replicas: Annotated[int | None, Option(panel=OF_RAY)] = Field(default=None, ge=1)
    """Copies of the model, each on GPUs of its own (``tensor_parallel_size`` times
    ``pipeline_parallel_size`` of one node). None: as many as the cluster has GPUs for, at least
    one."""
    ray_address: Annotated[str | None, Option(panel=OF_RAY, metavar="HOST:PORT")] = None
    """Address of the Ray cluster, as ``auto`` or ``10.0.0.1:6379``. None: ``RAY_ADDRESS``, this
    machine's cluster, or a new one here."""
