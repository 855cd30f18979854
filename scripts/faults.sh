#!/usr/bin/env bash
#
# Does harm to small searches and counts what was lost: nothing may be.
#
#   bash scripts/faults.sh kills     120 kills at random moments, 5 configurations
#   bash scripts/faults.sh soak      300 epochs: memory, step time, file handles
#   bash scripts/faults.sh inputs    11,000 cases of hostile input
#   bash scripts/faults.sh --help
#
# Paths in arguments are relative to the folder you are in; kills and soak write
# into outputs/. Ends with 0 if nothing was found and 1 if something was.
#
# Time and hardware: on two cores 25 minutes, 10 minutes and 10 minutes. No GPU.
# docs/RELIABILITY.md has the figures.

set -euo pipefail

setup_extras="test"
source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

export PYTHONPATH=$repo_root/tests:$PYTHONPATH
exec "$PYTHON" -m faults "$@"
