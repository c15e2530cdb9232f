"""Options that one engine alone has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class VllmOptions(BaseModel):
    """How vLLM runs a model, for engine ``vllm``: names and meaning are vLLM's. None leaves the
    choice to vLLM; what it chose is recorded where results depend on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tensor_parallel_size: int | None = Field(default=None, ge=1)
    """GPUs that share every layer."""
    pipeline_parallel_size: int | None = Field(default=None, ge=1)
    """Groups of GPUs that have some of the layers each."""
    quantization: str | None = None
    """How weights are quantized while they are loaded, as ``fp8_per_tensor``; a checkpoint that is
    stored quantized says so itself."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    """Share of a GPU's memory that vLLM may take, for weights and key-value cache."""
    max_model_len: int | None = Field(default=None, ge=1)
    """The most tokens of a prompt and its completion, where the model's own context is more than
    the cache holds."""
    max_num_seqs: int | None = Field(default=None, ge=1)
    """The most prompts in a batch."""
    max_num_batched_tokens: int | None = Field(default=None, ge=1)
    """The most tokens that go through the model at once."""
    enforce_eager: bool | None = None
    """Neither compile nor capture graphs: a faster start, a slower run. Always so on a CPU."""

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

    model_config = ConfigDict(extra="forbid", frozen=True)

    replicas: int | None = Field(default=None, ge=1)
    """Copies of the model, each on GPUs of its own (``tensor_parallel_size`` times
    ``pipeline_parallel_size`` of one node). None: as many as the cluster has GPUs for; without
    GPUs one."""
    ray_address: str | None = None
    """Address of the Ray cluster, as ``auto`` or ``10.0.0.1:6379``. None: that of ``RAY_ADDRESS``,
    or of the cluster that this machine belongs to; where there is none, one is started here."""
