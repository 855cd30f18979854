#!/usr/bin/env bash
#
# The paper's Table 1 and Figures 4 and 5: 17 searches, without poison and
# with four poisonings of four strengths each, and what they are compared with.
#
#   bash scripts/table1.sh --scale=small --seeds=69
#   bash scripts/table1.sh --scale=small --jobs=2 --only=baseline,1c,3c \
#     -- --data_path=/data/cifar10
#   bash scripts/table1.sh --report
#   bash scripts/table1.sh --help
#
# Started again, the same command resumes every run at its last checkpoint and
# skips the finished ones. --report writes table1.md, table1.csv and
# the figures into --output_dir (default outputs/table1), even while the
# sweep is running. Paths in arguments are relative to the folder you are in.
#
# Time and hardware: --scale=smoke takes minutes and --scale=small hours on two
# cores (docs/TABLE1.md); --scale=full is 17 searches of 300 epochs, meant for
# GPUs (docs/CLUSTER.md).

set -euo pipefail

# Ray is installed where it is asked for.
for argument in "$@"; do
  [[ $argument != --engine=ray ]] || setup_extras="ray"
done

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

exec "$PYTHON" -m enas.experiments.table1 "$@"
