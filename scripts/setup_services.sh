#!/usr/bin/env bash
# Install what tests start that is no Python package: for the review UI a PostgreSQL server, and
# Chromium for its pages; for training a C++ compiler, with which DeepSpeed builds its AdamW.
#
# Does nothing for what is there already. Needs Debian or Ubuntu and root (or sudo without a
# password); elsewhere install both by hand. Tests that miss one of them are skipped.
set -euo pipefail

has_postgres() {
    compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || command -v initdb >/dev/null
}

# The one without windows takes four fifths of the processor time; not every release has it.
has_shell() {
    command -v chromium-headless-shell >/dev/null
}

has_chromium() {
    has_shell || {
        { command -v chromium || command -v chromium-browser || command -v google-chrome; } \
            >/dev/null && ! apt-cache show chromium-headless-shell >/dev/null 2>&1
    }
}

has_compiler() {
    command -v "${CXX:-c++}" >/dev/null
}

packages=()
has_postgres || packages+=(postgresql)
has_chromium || packages+=(chromium)
has_compiler || packages+=(g++)
[[ ${#packages[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
    echo "setup_services: no apt-get; install ${packages[*]} to run every test" >&2
    exit 0
fi
echo "setup_services: installing ${packages[*]}"
without_windows() {
    if apt-cache show chromium-headless-shell >/dev/null 2>&1; then
        packages=("${packages[@]/%chromium/chromium-headless-shell}")
    fi
}
# PostgreSQL's package would start a server of its own, which nobody needs here.
if ! {
    "${as_root[@]}" apt-get update -qq && without_windows &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y -qq --no-install-recommends "${packages[@]}"
} >/dev/null; then
    echo "setup_services: could not install ${packages[*]}; tests that need them are skipped" >&2
fi
