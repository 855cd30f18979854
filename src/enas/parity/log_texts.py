"""What stands below the table of two logs: how to read it."""

__all__ = ["CHANCE", "legend"]

# Runs of A's program -> the ratio that two runs of it exceed in one case of
# 20, if the runs' means decide (normal distribution; for more runs, that of
# six, which is never too small).
CHANCE = {2: 11.0, 3: 3.6, 4: 2.7, 5: 2.4, 6: 2.3}

FROM_RUNS = """\
spread: standard deviation between A and further runs of its program (--again),
        {0} in all, at the aligned points; with {0}, a ratio of up to {1}
        is chance in 19 cases of 20\
"""
FROM_LINES = """\
spread: scatter of a log's lines about their epoch's mean; from one epoch to
        the next where an epoch has one. It knows nothing of how runs with
        other seeds differ: --again LOG measures that\
"""
COLUMNS = """\
noise:  what B - A would be by chance (one standard deviation), by that spread
ratio:  |B - A| / noise; about 1 is chance, above 3 is worth a look
where:  epochs count from 0, steps in the epoch from 1, updates and arcs from 0\
"""
MEANS = """\
means:  the two logged at different steps, so means over an epoch's lines are
        compared\
"""
OTHER_STEPS = """\
means:  an epoch has {0} child steps in A and {1} in B, so data or batch size
        differ, and only means over child epochs are compared\
"""
CONVENTIONS = """\
The two dialects differ in what they print; these are not differences in what
the programs do:
  steps        the original counts them after the step over the whole run, the
               paper's code before the step in the epoch; converted
  accuracy     child: right answers of a batch, or their share; converted
  child |g|    the original's includes the gradient of l2, the paper's does not
  log_prob     a negative log-likelihood in the original, a log-probability in
               the paper's code; the printed losses have the same sign
  ctrl lines   the original prints every log_every-th arc, the paper's code the
               last arc of every second update; so epoch means are compared
  ctrl |g|     of one arc's loss in the original, of the mean over the arcs of
               an update in the paper's code, which is smaller
  entropy      the original adds -p log p of the decisions taken only, the
               paper's code the whole entropy of every softmax
  val_acc      a batch for each of the ten architectures in the original, one
               batch for all ten in the paper's code and in this project
  valid, test  a fresh architecture for every batch of 100, or the best of ten
               on the whole set, in training mode; best_valid_acc and
               best_test_acc (from metrics.csv) compare like with like but for
               the mode\
"""


def legend(logs, steps, aligned):
    """Yields lines that explain a table.

    Args:
      logs: list of `Log`: A, B, and further runs of A's program.
      steps: list of int, child steps per epoch of each.
      aligned: dict, as `align` returns it.
    """
    runs = len(logs) - 1
    if runs > 1:
        yield FROM_RUNS.format(runs, CHANCE[min(runs, max(CHANCE))])
    else:
        yield FROM_LINES
    yield COLUMNS
    if steps[0] != steps[1]:
        yield OTHER_STEPS.format(*steps)
    elif any(p.position is None for points in aligned.values() for p in points):
        yield MEANS
    if logs[0].dialect != logs[1].dialect:
        yield CONVENTIONS
