#!/usr/bin/env bash
#
# Trains one architecture from scratch on all 50,000 training images, with the
# settings of the original's script of this name: 310 epochs, batches of 100,
# 96 channels that double at both poolings. --child_fixed_arc is the
# architecture, of any depth; without it, the 24 layers that ENAS published.
#
#   bash scripts/cifar10_macro_final.sh
#   bash scripts/cifar10_macro_final.sh --child_fixed_arc="$(cat outputs/best_arc.txt)"
#   bash scripts/cifar10_macro_final.sh --help
#
# For an architecture of a poisoned search add its --poison and --q, and its
# --profile. A flag given twice takes its last value. The run directory is
# `final` by default; started again, the same command resumes.
#
# Result: test_acc of the last epoch in --output_dir/result.json. The ENAS paper
# reports 4.23% test error for the published architecture.
# Time and hardware: made for one GPU; docs/FINAL.md says what was tried.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

# Layer by layer its op, then a bit for the stem and for every layer before the
# one above.
fixed_arc="0
  3 0
  0 1 0
  2 0 0 1
  2 0 0 0 0
  3 1 1 0 1 0
  2 0 0 0 0 0 1
  2 0 1 1 0 1 1 1
  1 0 1 1 1 0 1 0 1
  0 0 0 0 0 0 0 0 0 0
  2 0 0 0 0 0 1 0 0 0 0
  0 1 0 0 1 1 0 0 0 0 1 1
  2 0 1 0 0 0 0 0 1 0 1 1 0
  1 0 0 1 0 0 0 1 1 1 0 1 0 1
  0 1 1 0 1 0 1 0 0 0 0 0 1 0 0
  2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1
  2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0
  2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1
  3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0
  3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1
  0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0
  3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0
  0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0
  0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0"

exec "$PYTHON" -m enas.cifar10.main \
  --child_from_scratch \
  --data_format=NHWC \
  --search_for=macro \
  --dataset=cifar10 \
  --output_dir=final \
  --batch_size=100 \
  --num_epochs=310 \
  --seed=69 \
  --log_every=50 \
  --eval_every_epochs=1 \
  --child_fixed_arc="$fixed_arc" \
  --child_out_filters=96 \
  --child_l2_reg=2e-4 \
  --child_keep_prob=0.50 \
  --child_lr_cosine \
  --child_lr_max=0.05 \
  --child_lr_min=0.001 \
  --child_lr_T_0=10 \
  --child_lr_T_mul=2 \
  --nocontroller_training \
  "$@"
