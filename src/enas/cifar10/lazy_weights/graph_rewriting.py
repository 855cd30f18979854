"""Which steps TensorFlow rewrites the graph of.

Rewriting a training step costs half of its start and gains nothing; evaluation
without it takes a fifth longer (docs/history/speed.md).
"""

import tensorflow as tf


def rewrite(wanted: bool) -> None:
    """Has TensorFlow rewrite graphs from now on, or not.

    Nothing happens if it does so already: a change costs 1 ms.
    """
    key, options = "disable_meta_optimizer", tf.config.optimizer
    if options.get_experimental_options().get(key, False) is wanted:
        options.set_experimental_options({key: not wanted})
