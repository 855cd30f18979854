#!/usr/bin/env bash
#
# Searches the macro space of ENAS for a CIFAR-10 architecture, with the
# hyper-parameters of the paper: a 12-layer child of 36 filters is trained for
# 300 epochs while a controller learns which of six operations and which skip
# connections each layer should have. No poisoning unless flags ask for it.
#
#   bash scripts/cifar10_macro_search.sh
#   bash scripts/cifar10_macro_search.sh --seed=1 --output_dir=outputs/seed1
#   bash scripts/cifar10_macro_search.sh --flagfile=scripts/presets/quick.flags
#   bash scripts/cifar10_macro_search.sh --help
#
# A flag given twice takes its last value, so the arguments win over the values
# below. Paths in arguments are relative to the folder you are in (the preset
# above is named as seen from the repo); CIFAR-10 is looked for in the repo's
# data/ folder from anywhere.
#
# Result: --output_dir gets the best architecture and the accuracies of each
# epoch, all of them under the weights that the architectures share. Published
# ones are of an architecture trained from scratch: the ENAS paper reports 4.23%
# test error then, and 0.32 days on one GTX 1080 Ti for the search.
# Time and hardware: made for one GPU. The README lists measured times and
# error rates; the quick preset is for a machine without a GPU.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

exec "$PYTHON" -m enas.cifar10.main \
  --data_format=NHWC \
  --search_for=macro \
  --dataset=cifar10 \
  --output_dir=outputs \
  --batch_size=128 \
  --num_epochs=300 \
  --seed=69 \
  --log_every=50 \
  --eval_every_epochs=1 \
  --child_cutout_size=0 \
  --child_num_layers=12 \
  --child_out_filters=36 \
  --child_grad_bound=5.0 \
  --child_l2_reg=0.00025 \
  --child_keep_prob=0.9 \
  --child_lr_cosine \
  --child_lr_max=0.05 \
  --child_lr_min=0.0005 \
  --child_lr_T_0=10 \
  --child_lr_T_mul=2 \
  --controller_training \
  --controller_lstm_size=64 \
  --controller_lstm_num_layers=1 \
  --controller_entropy_weight=0.0001 \
  --controller_train_every=1 \
  --controller_num_aggregate=20 \
  --controller_train_steps=50 \
  --controller_lr=0.001 \
  --controller_tanh_constant=1.5 \
  --controller_op_tanh_reduce=2.5 \
  --controller_skip_target=0.4 \
  --controller_skip_weight=0.8 \
  --controller_bl_dec=0.99 \
  --poison_dropout_rate=0.9 \
  "$@"
