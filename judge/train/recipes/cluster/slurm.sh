#!/usr/bin/env bash
# Trains a recipe on the nodes of a Slurm job; the same command goes on after an interruption.
#   sbatch --nodes 4 slurm.sh justifier llama31_70b_zero3 data=work/helpsteer2_sets
#   sbatch --nodes 4 slurm.sh reward llama31_70b_regression data=work/helpsteer2_regression
#   sbatch --nodes 4 slurm.sh dpo llama31_70b_dpo data=work/helpsteer2_preference
#   sbatch --nodes 4 slurm.sh rloo llama31_70b_rloo reward.url=http://REWARD:8080 rollout.url=http://ROLLOUTS:8000
# GPUS_PER_NODE (8), MASTER_PORT (29500) and VENV (.venv, of the folder it is submitted from) may be
# set. Submit it with what your cluster asks for: --partition, --account, --time.
#SBATCH --job-name=judge
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --output=judge-%j.log
#SBATCH --open-mode=append
set -euo pipefail

case "$#:${1:-}" in
    0:* | 1:*) command= ;;
    *:justifier | *:reward) command=train ;;
    *:dpo | *:sft | *:rloo) command=align ;;
    *) command= ;;
esac
if [ -z "$command" ]; then
    echo "usage: sbatch --nodes N slurm.sh justifier|reward|dpo|sft|rloo RECIPE [KEY=VALUE]..." >&2
    exit 2
fi
if [ -z "${SLURM_JOB_ID:-}" ]; then
    echo "slurm.sh: not inside a Slurm job; submit it with sbatch" >&2
    exit 2
fi
kind=$1 recipe=$2
shift 2

gpus_per_node=${GPUS_PER_NODE:-8}
port=${MASTER_PORT:-29500}
venv=${VENV:-.venv}
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts[0]:?no node in SLURM_JOB_NODELIST}
gpus=$((SLURM_NNODES * gpus_per_node))

# Says no before a single weight is loaded: exit code 3 when the recipe does not fit on these GPUs.
plan=("$venv/bin/judge" train plan "$recipe" "$@" --gpus "$gpus" --gpus-per-node "$gpus_per_node")
"${plan[@]}"

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-8}
export PYTORCH_CUDA_ALLOC_CONF=${PYTORCH_CUDA_ALLOC_CONF:-expandable_segments:True}
export TORCH_NCCL_ASYNC_ERROR_HANDLING=1
srun --kill-on-bad-exit=1 "$venv/bin/torchrun" \
    --nnodes "$SLURM_NNODES" --nproc_per_node "$gpus_per_node" \
    --rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint "$head:$port" \
    --no-python "$venv/bin/judge" "$command" "$kind" --config "$recipe" "$@"
