#!/usr/bin/env bash
#
# Measures time and memory of the search and prints them as a table.
#
#   bash scripts/bench.sh --json=now.json               12 layers x 36 filters
#   bash scripts/bench.sh --quick                       small sizes, 2 minutes
#   bash scripts/bench.sh --json=now.json --compare=earlier.json
#   bash scripts/bench.sh --show=now.json               the table again
#   bash scripts/bench.sh --poison=dropout --q=36 --parts=steps
#   bash scripts/bench.sh --help
#
# Paths in arguments are relative to the folder you are in. Let nothing else run
# meanwhile. Time and hardware: 20 minutes on two cores. docs/PERFORMANCE.md has
# what it found.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

exec "$PYTHON" -m enas.bench "$@"
