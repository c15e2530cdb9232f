#!/usr/bin/env bash
# Install the project into .venv: scripts/setup.sh [EXTRA,EXTRA...]
#
# Exact versions come from constraints.txt. Where there is no NVIDIA GPU the CPU build of torch is
# installed: it is a tenth of the size. A second call with nothing changed returns at once. VENV and
# CONSTRAINTS name another folder and file (scripts/setup_vllm.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extras="${1:-}"
python="${PYTHON:-python3}"
venv="${VENV:-.venv}"
constraints="${CONSTRAINTS:-constraints.txt}"
log=$venv/setup.log
pip=("$venv/bin/python" -m pip --disable-pip-version-check)

fail() {
    echo "setup: $1" >&2
    exit 1
}

# Prefer a file's content over its time: a fresh checkout has new times for old content.
digest() {
    {
        cat pyproject.toml "$constraints" scripts/setup.sh
        echo "$PWD $extras"
    } | cksum | tr ' ' '-'
}

has_gpu() {
    command -v nvidia-smi >/dev/null && nvidia-smi --list-gpus 2>/dev/null | grep -q GPU
}

torch_version() {
    sed -n 's/^torch==//p' "$constraints"
}

torch_is_installed() {
    local found
    found=$("$venv/bin/python" -c 'from importlib.metadata import version; print(version("torch"))' \
        2>/dev/null) || return 1
    [[ "${found%%+*}" == "$(torch_version)" ]]
}

install_cpu_torch() {
    local version
    version=$(torch_version)
    # The CPU build is not on the public index: first whatever is configured here, then PyTorch's own.
    "${pip[@]}" install --quiet --no-deps "torch==$version+cpu" >>"$log" 2>&1 ||
        "${pip[@]}" install --quiet --no-deps --retries 1 "torch==$version" \
            --index-url https://download.pytorch.org/whl/cpu >>"$log" 2>&1 ||
        "${pip[@]}" install --quiet --no-deps "torch==$version" >>"$log" 2>&1 ||
        fail "could not install torch $version; see $log"
}

# The bundled mini models work without it.
fetch_base() {
    "$venv/bin/judge" models fetch ||
        echo "setup: the small models need their base; judge models fetch gets it" >&2
}

stamp="$venv/.setup-${extras:-core}"
# What the tests need includes what the demo needs.
for done in "$stamp" "$venv/.setup-train,app,dev"; do
    [[ -n "$extras" && "$extras" != compare && "$done" != "$stamp" ]] && continue
    [[ -f "$done" && -x "$venv/bin/judge" ]] || continue
    wanted=$(extras="${done#"$venv"/.setup-}"; [[ "$extras" == core ]] && extras=""; digest)
    [[ "$(cat "$done")" == "$wanted" ]] && exit 0
done

if [[ ! -x "$venv/bin/python" ]]; then
    command -v "$python" >/dev/null || fail "no $python; install Python 3.11 or newer"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$python" -V 2>&1) is too old; set PYTHON to Python 3.11 or newer"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module (Debian, Ubuntu: apt install python3-venv)"
    echo "setup: creating $venv"
    "$python" -m venv "$venv" || fail "$python -m venv $venv failed"
fi
"${pip[@]}" --version >/dev/null 2>&1 || fail "$venv is damaged; remove it and run this again"

: >"$log"
if [[ "$(uname -s)" == Linux ]] && ! has_gpu && ! torch_is_installed; then
    echo "setup: no GPU, installing the CPU build of torch $(torch_version)"
    install_cpu_torch
fi
echo "setup: installing pairwise-justifier${extras:+[$extras]} (log: $log)"
if ! "${pip[@]}" install -c "$constraints" -e ".${extras:+[$extras]}" >>"$log" 2>&1; then
    grep '^ERROR' "$log" | head -3 >&2 || true
    fail "installation failed; see $log"
fi
digest >"$stamp"
fetch_base
