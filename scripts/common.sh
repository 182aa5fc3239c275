# Sourced by the other scripts: where things are, and how they are built.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Debian's own Python: it has the packages that install-deps brings, which another one in PATH may not.
python=/usr/bin/python3

step() { printf '\n== %s\n' "$*" >&2; }

# build PRESET [TARGET...]: configures once, then lets ninja decide what has changed.
build() {
  local preset=$1; shift
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
  cmake --build --preset "$preset" -- ${@:+"$@"} >&2
}
