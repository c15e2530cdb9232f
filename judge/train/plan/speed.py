"""Hours: floating-point operations, published rates, and what goes over the links."""

from __future__ import annotations

from dataclasses import dataclass, replace

from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import TrainerConfig
from judge.train.plan.architecture import Architecture
from judge.train.plan.batches import Batches
from judge.train.plan.hardware import Gpu
from judge.train.plan.lengths import ExampleLengths
from judge.train.plan.memory import memory_of
from judge.train.plan.needs import has_reference, layers_kept, outputs_of
from judge.train.plan.zero import Zero

LINK_SHARE = 0.7
"""What collective operations reach of a link's rate: an assumption."""
HOST_GB_S = 200.0
"""Memory rate of a host, GB/s, at which an off-loaded optimizer reads and writes: an assumption."""
HOST_BYTES = 30
"""Bytes that AdamW on the host reads (16) and writes (14) for each parameter."""


@dataclass(frozen=True)
class Rate:
    """The share of a GPU's matrix rate that a training reaches, and who says so."""

    low: float
    high: float
    source: str


FULL = Rate(0.362, 0.426, "70B, FSDP on 32 and 64 H100s: 36.2 and 42.6 % (mosaicml/llm-foundry)")
LORA = Rate(
    0.17,
    0.362,
    "from 608 tokens/s a GPU, LoRA of 70B on 8 H100s (NeMo AutoModel: 17 %), to a full training's "
    "36.2 %",
)
QLORA = Rate(0.10, 0.25, "no published figure: assumed 60 to 70 % of LoRA's")


def rate_of(config: TrainerConfig) -> Rate:
    """Return the range of rates for a recipe."""
    if config.quantization is not None:
        return QLORA
    return LORA if config.lora is not None else FULL


@dataclass(frozen=True)
class Hours:
    """A range of hours; the low end at the high rate with all communication hidden behind it, the
    high end at the low rate with none hidden."""

    low: float
    high: float
    compute: tuple[float, float]
    links: float
    """Hours that the links need at least."""
    host: float
    """Hours of an off-loaded optimizer: gradients on their way, and the hosts' AdamW."""
    validation: float
    """Hours of validation losses within ``high``."""
    reference: float
    """Hours within ``high`` of the one pass in which the start's log-probabilities are computed."""
    rollouts: float = 0.0
    """Hours within both of an online training's rollouts, held-out prompts too: the policy waits
    for them."""

    def with_rollouts(self, hours: float) -> Hours:
        """Return these hours with those of rollouts beside them."""
        return replace(self, low=self.low + hours, high=self.high + hours, rollouts=hours)


def flops_a_token(config: TrainerConfig, model: Architecture, length: float) -> tuple[float, float]:
    """Return operations a token: of the forward pass, and of a training step.

    Twice the parameters of all products forward, as much for each of the two gradients; a LoRA
    training needs no gradient of frozen weights. Attention of a causal sequence of ``length``
    tokens adds 2 x layers x queries x length forward. Recomputation is not counted: published
    rates do not count it either.
    """
    layers = layers_kept(config, model.layers)
    head = model.embedding if outputs_of(config) is None else 0
    products = layers * model.layer_weights + head
    attention = 2 * layers * model.queries * length
    forward = 2 * products + attention
    if config.lora is None:
        return forward, 3 * forward
    return forward, 2 * forward + attention


def hours_of(
    config: TrainerConfig,
    model: Architecture,
    lengths: ExampleLengths,
    batches: Batches,
    gpu: Gpu,
    gpus: int,
    gpus_per_node: int,
) -> Hours:
    """Return how long the training takes on ``gpus`` GPUs: steps and validation, no loading and
    no saving."""
    rate = rate_of(config)
    forward, step = flops_a_token(config, model, batches.mean_length)
    passes = batches.steps * config.accumulation(gpus)
    validation_tokens = sum(map(sum, lengths.validation)) / gpus
    online = isinstance(config, RLOOConfig)  # which answers its validation prompts: rollouts.py
    validations = 0 if online else batches.steps // config.eval_steps
    referred = int(has_reference(config))
    forwarded = (validations + referred) * validation_tokens + referred * batches.forwarded / gpus
    seconds = [
        (passes * batches.micro_batch_tokens * step + forwarded * forward)
        / (gpu.tflops * 1e12 * share)
        for share in (rate.high, rate.low)
    ]
    a_pass = link_seconds(config, model, gpu, gpus, gpus_per_node)
    backward_too = 2 * a_pass + (a_pass if config.lora is None else 0)
    evaluated = len(lengths.validation) / (gpus * config.per_device_batch_size)
    once = referred * (evaluated + batches.examples / (gpus * config.per_device_batch_size))
    links = passes * backward_too + (validations * evaluated + once) * a_pass
    host = host_seconds(config, model, gpu, gpus, gpus_per_node) * batches.steps
    a_token = forward / (gpu.tflops * 1e12 * rate.low)
    evaluation = validations * validation_tokens * a_token
    reference = (forwarded - validations * validation_tokens) * a_token
    return Hours(
        low=(max(seconds[0], links) + host) / 3600,
        high=(seconds[1] + links + host) / 3600,
        compute=(seconds[0] / 3600, seconds[1] / 3600),
        links=links / 3600,
        host=host / 3600,
        validation=(evaluation + validations * evaluated * a_pass) / 3600,
        reference=(reference + once * a_pass) / 3600,
    )


def link_seconds(
    config: TrainerConfig, model: Architecture, gpu: Gpu, gpus: int, gpus_per_node: int
) -> float:
    """Return the seconds in which ZeRO-3 gathers every parameter once, or scatters every gradient.

    Each GPU receives the whole model in bfloat16 over the links of its node; each node receives
    what it does not hold over all its network adapters.
    """
    if gpus == 1 or config.deepspeed is None:
        return 0.0
    size = 2 * model.parameters(outputs_of(config))
    inside = size * (1 - 1 / min(gpus, gpus_per_node)) / (gpu.link_gb_s * 1e9)
    nodes = max(1, gpus // gpus_per_node)
    outside = size * (1 - 1 / nodes) / (gpus_per_node * gpu.network_gb_s * 1e9)
    return max(inside, outside) / LINK_SHARE


def host_seconds(
    config: TrainerConfig, model: Architecture, gpu: Gpu, gpus: int, gpus_per_node: int
) -> float:
    """Return the seconds a step that an off-loaded optimizer adds.

    Each micro-step but the first fetches the gradients that were added up and puts them back; the
    last hands them over in float32; AdamW reads and writes; the weights come back.
    """
    if not Zero.of(config, model).optimizer_off_loaded or config.lora is not None:
        return 0.0
    nodes = max(1, gpus // gpus_per_node)
    parameters = model.parameters(outputs_of(config))
    update = parameters * HOST_BYTES / nodes / (HOST_GB_S * 1e9)
    moved = 2 * (2 * config.accumulation(gpus) - 1) + 4 + 2  # bytes a parameter
    return update + moved * parameters / gpus / (gpu.host_gb_s * LINK_SHARE * 1e9)


def checkpoint_bytes(config: TrainerConfig, model: Architecture) -> int:
    """Return the bytes of one checkpoint: weights to load (bfloat16), and the optimizer's state."""
    trained = model.parameters(outputs_of(config))
    if config.lora is not None:
        trained = model.adapter(config.lora.r, config.lora.target_modules)
    one = memory_of(config, model, 1)
    off_loaded = Zero.of(config, model).optimizer_off_loaded
    return 2 * trained + (12 * trained if off_loaded else one.optimizer)
