"""Memory of one GPU by part, in bytes.

Model states follow DeepSpeed's own estimator (``estimate_zero3_model_states_mem_needs``: 4 bytes of
the largest layer and 18 bytes of every parameter, divided by the GPUs). Activations count what
autograd keeps of a Llama layer in bfloat16, tensor by tensor. Both are compared with DeepSpeed and
with torch in ``tests/train/test_plan_memory.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from judge.train.config import TrainerConfig
from judge.train.plan.architecture import Architecture
from judge.train.plan.needs import in_tiles, layers_kept, outputs_of, responses_taken
from judge.train.plan.zero import Zero

TOKEN_CHUNK, VOCABULARY_CHUNK = 4096, 32768
"""Tokens and vocabulary entries of a tile of TRL's fused output layer (trl.kernels, TRL 1.16)."""
LOGIT_BYTES = 16
"""Bytes at the peak for each logit that is really made: bfloat16, its float32 copies, gradients."""
SLACK = 1.25
"""Padding inside the groups of :mod:`judge.train.batches.packing`, at most."""
CONTEXT = 800 * 2**20
"""The CUDA context, cuBLAS and kernels: an assumption."""
COMMUNICATORS = 1200 * 2**20
"""What NCCL keeps when there is more than one GPU: an assumption."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a GPU by part. ``layer`` and ``loss`` are never there at the same time."""

    parameters: int
    gradients: int
    optimizer: int
    gathered: int
    """Parameters and gradients of the layer being computed, whole (ZeRO-3)."""
    activations: int
    """What is kept from the forward pass: with checkpointing the input of each layer."""
    layer: int
    """The layer that is recomputed, and gradients inside it."""
    loss: int
    """The last norm, and logits or the tile of a fused output layer and its float32 gradient."""
    buffers: int
    """DeepSpeed's buckets and parameters that stay whole."""
    context: int
    reference: int = 0
    """The start beside an online training's policy."""
    reward: int = 0
    """A reward model in the trainer's process."""
    engine: int = 0
    """What draws responses on this GPU; it gives its memory back while the policy is trained."""

    @property
    def states(self) -> int:
        """Parameters, gradients and optimizer: what DeepSpeed's estimator gives."""
        return self.parameters + self.gradients + self.optimizer + self.gathered

    @property
    def resting(self) -> int:
        """What is there while nothing is trained."""
        beside = self.reference + self.reward
        return self.states + self.buffers + self.context + beside

    @property
    def total(self) -> int:
        """The peak: of training, or of drawing responses where that needs more."""
        training = self.resting + self.activations + max(self.layer, self.loss)
        return max(training, self.resting + self.engine)


def memory_of(config: TrainerConfig, model: Architecture, gpus: int) -> Memory:
    """Return the memory of each of ``gpus`` GPUs at the longest batch that ``config`` allows."""
    zero = Zero.of(config, model)
    outputs = outputs_of(config)
    left_out = model.layers - layers_kept(config, model.layers)
    total = model.parameters(outputs) - left_out * (model.layer_weights + 2 * model.hidden)
    trained = total
    if config.lora is not None:
        trained = model.adapter(config.lora.r, config.lora.target_modules)
        trained += (outputs or 0) * model.hidden
    frozen = total if config.lora is not None else 0
    parameters, gradients, optimizer, gathered = _states(config, model, zero, trained, frozen, gpus)
    tokens = longest_batch(config)
    return Memory(
        parameters=parameters,
        gradients=gradients,
        optimizer=optimizer,
        gathered=gathered,
        activations=_kept(config, model, tokens),
        layer=_layer_at_work(config, model, tokens),
        loss=_loss(config, model),
        buffers=zero.buffers(model, total) if gpus > 1 or zero.on else 0,
        context=CONTEXT + (COMMUNICATORS if gpus > 1 else 0),
    )


def _states(
    config: TrainerConfig,
    model: Architecture,
    zero: Zero,
    trained: int,
    frozen: int,
    gpus: int,
) -> tuple[int, int, int, int]:
    """Return bytes of parameters, gradients, optimizer and gathered layer on a GPU."""
    if config.quantization is not None:
        packed = model.layers * model.layer_weights
        bits = 4 + (8 / 64 + 32 / (64 * 256) if config.quantization.double else 32 / 64)
        base = int(packed * bits / 8) + 2 * (frozen - packed)
        # TRL keeps a quantised model's adapter in bfloat16; a weight is unpacked for its product.
        unpacked = 2 * max(inputs * outputs for inputs, outputs in model.products.values())
        return base + 2 * trained, 2 * trained, 4 * trained, unpacked
    if not zero.on:
        # float32 weights, gradients and moments; autocast keeps bfloat16 copies of products.
        copies = 2 * (model.layers * model.layer_weights if not frozen else trained)
        halved = model.layers * model.layer_weights if config.base_dtype is not None else 0
        return 4 * (trained + frozen) - 2 * halved + copies, 4 * trained, 8 * trained, 0
    parts = zero.bytes_of_a_parameter()
    share = [int(each * trained / gpus) for each in parts]
    largest = model.embedding
    gathered = 2 * largest if frozen else 4 * largest
    return share[0] + int(2 * frozen / gpus), share[1], share[2], gathered


def longest_batch(config: TrainerConfig) -> int:
    """Return the most tokens that a GPU takes through the model at once."""
    return config.per_device_batch_size * len(responses_taken(config)) * config.max_length


def layer_bytes(config: TrainerConfig, model: Architecture) -> int:
    """Return what autograd keeps of one decoder layer, in bytes a token.

    Two norms each keep their float32 input, the normalised bfloat16 values (for the gradient of the
    norm's weight) and a float32 scale; the products keep their inputs; attention its queries, keys,
    values, output and a float32 log-sum a head; the feed-forward layer four rows of its width.
    """
    hidden, wide = model.hidden, model.intermediate
    norms = 2 * (4 * hidden + 4) + (0 if config.lora else 2 * 2 * hidden)
    inputs = 2 * 2 * hidden
    flash = (config.attn_implementation or "sdpa").startswith("flash")
    # Padding brings a mask, and with a mask SDPA's keys and values are repeated for every head.
    keys = model.keys if flash or longest_batch(config) == config.max_length else model.queries
    attention = 2 * model.queries + 2 * 2 * keys + 2 * model.queries + 4 * model.heads
    if config.packing is not False and not flash:
        # Groups of like length are copied out with whole keys and values, and back again.
        attention = int(SLACK * 4 * 2 * model.queries) + 2 * model.queries + 4 * model.heads
    adapter = 0
    if config.lora is not None:
        targets = config.lora.target_modules
        count = len(model.products) if isinstance(targets, str) else len(targets)
        adapter = 2 * config.lora.r * count
    return norms + inputs + attention + 4 * 2 * wide + adapter


def last_norm_bytes(config: TrainerConfig, model: Architecture) -> int:
    """Return what is kept of the last norm, in bytes a token: as of any norm, and its output."""
    return 4 * model.hidden + 4 + (0 if config.lora else 2 * model.hidden) + 2 * model.hidden


def _kept(config: TrainerConfig, model: Architecture, tokens: int) -> int:
    each = 2 * model.hidden if config.gradient_checkpointing else layer_bytes(config, model)
    return tokens * layers_kept(config, model.layers) * each


def _layer_at_work(config: TrainerConfig, model: Architecture, tokens: int) -> int:
    """Return the recomputed layer and two feed-forward-wide gradients inside it."""
    gradients = 2 * 2 * model.intermediate
    again = layer_bytes(config, model) if config.gradient_checkpointing else 0
    return tokens * (again + gradients)


def _loss(config: TrainerConfig, model: Architecture) -> int:
    """Return what the output layer and the loss need, at worst all tokens being completion."""
    tokens = longest_batch(config)
    norm = tokens * last_norm_bytes(config, model)
    if outputs_of(config) is not None:
        return norm  # and a handful of numbers a sequence
    if not in_tiles(config):
        return norm + LOGIT_BYTES * tokens * model.vocabulary
    tile = 2 * min(tokens, TOKEN_CHUNK) * min(VOCABULARY_CHUNK, model.vocabulary)
    hidden = 4 * tokens * model.hidden
    weight = 0 if config.lora is not None else 4 * model.embedding
    return norm + tile + hidden + weight
