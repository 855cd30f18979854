#!/usr/bin/env bash
#
# Compares this project with the original ENAS and with the paper's code, by
# numbers that were recorded, by training logs, or by checkpoints.
#
#   bash scripts/diff_enas.sh --help
#   bash scripts/diff_enas.sh logs original/stdout outputs
#   bash scripts/diff_enas.sh logs --help
#
# Paths in arguments are relative to the folder you are in. Ends with 0, with
# 1 if recordings or weights do not match or a file cannot be written, and with
# 2 for a mistake in the arguments. Needs no GPU.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

# Without a directory, the recordings are those of this project.
if [[ $# -eq 1 && $1 == recordings ]]; then
  set -- recordings "$repo_root/tests/golden"
fi

exec "$PYTHON" -m enas.parity.diff_enas "$@"
