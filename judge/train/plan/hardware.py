"""GPUs by name: memory and links, from their makers' data sheets."""

from __future__ import annotations

from dataclasses import dataclass

from judge.errors import UsageError
from judge.train.compute.flops import PEAKS

GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """A GPU and how it is joined to others.

    Memory is what a process can have of it (as ``torch.cuda.get_device_properties`` says, a little
    below the name's figure); links are one direction.
    """

    name: str
    chip: str
    """Its name in :data:`judge.train.compute.flops.PEAKS`."""
    memory_gib: float
    link_gb_s: float
    """To GPUs of the same node, GB/s."""
    network_gb_s: float
    """To other nodes, GB/s a GPU; one 400 Gbit/s adapter a GPU is 50."""
    host_gb_s: float
    """To the memory of its host, GB/s."""

    @property
    def memory(self) -> int:
        """Bytes."""
        return int(self.memory_gib * GIB)

    @property
    def tflops(self) -> float:
        """10^12 dense bfloat16 operations a second."""
        return PEAKS[self.chip] / 1e12


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("a100-40gb", "A100", 39.4, 300, 25, 25),
        Gpu("a100-80gb", "A100", 79.1, 300, 25, 25),
        Gpu("h100-80gb", "H100", 79.1, 450, 50, 50),
        Gpu("h200-141gb", "H200", 139.7, 450, 50, 50),
        Gpu("l40s-48gb", "L40S", 44.4, 32, 25, 25),
    )
}


def find_gpu(name: str) -> Gpu:
    """Return a GPU by its name.

    Raises:
        UsageError: naming the GPUs that are known.
    """
    if name.lower() not in GPUS:
        raise UsageError(f"unknown GPU {name!r}; expected one of {', '.join(GPUS)}")
    return GPUS[name.lower()]
