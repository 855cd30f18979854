#!/usr/bin/env bash
#
# Says what is in a search space before a search: op ids that are one function,
# ops that are of little use and why, and how often a controller must choose
# them. Takes the flags of the search.
#
#   bash scripts/audit_space.sh --poison=identity --q=300
#   bash scripts/audit_space.sh --candidate_ops=my_ops.py:Ghost,conv_3x3 --strict
#   bash scripts/audit_space.sh --run=outputs --picture=space.png
#   bash scripts/audit_space.sh --help
#
# Without --run the images that go through the stem are drawn (--dataset=shapes);
# --dataset=cifar10, with --data_path if need be, takes others. Time: seconds on
# two cores, whatever the number of copies.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

images=(--dataset=shapes --num_train=64 --num_valid=8 --num_test=8)
for argument in "$@"; do
  case $argument in
    # A run says itself what it was trained on.
    --run | --run=* | --dataset | --dataset=*) images=() ;;
    # Programs take flags with one dash, too.
    -run | -run=* | -dataset | -dataset=*) images=() ;;
  esac
done

exec "$PYTHON" -m enas.audit.main ${images[@]+"${images[@]}"} "$@"
