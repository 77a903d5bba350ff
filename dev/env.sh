# Sourced by the scripts beside it: goes to the top of the checkout and chooses where build artefacts live.
# They are shared by all checkouts of a machine, so that a fresh clone builds only what differs. Set
# CARGO_TARGET_DIR or KVCLUSTER_CACHE to put them elsewhere.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

: "${KVCLUSTER_CACHE:=${XDG_CACHE_HOME:-${HOME:-$PWD/target}/.cache}/kvcluster}"
if ! mkdir -p "$KVCLUSTER_CACHE" 2>/dev/null || ! [ -w "$KVCLUSTER_CACHE" ]; then
  # No home to write to: stay inside the checkout.
  KVCLUSTER_CACHE=$PWD/target/cache
  mkdir -p "$KVCLUSTER_CACHE"
fi
export KVCLUSTER_CACHE
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$KVCLUSTER_CACHE/target}"
# Tools that only development needs go beside the artefacts, not into the user's own folders.
export PATH="$KVCLUSTER_CACHE/tools/bin:$PATH"

if [ -n "${CI:-}" ] || ! [ -t 1 ]; then
  export CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never
fi

# How many simulations run at once.
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 2)}

fail() {
  printf '\n%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
