"""MacroController: the LSTM policy that emits architectures.

Counterpart of ENAS's src/cifar10/general_controller.py. The original samples
one arc per session run; here n arcs are one batch, each with its own state.
Rows are those of docs/PORT.md.
"""

import math
import typing
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf
from tensorflow import Tensor

from enas import common_ops
from enas.cifar10.behaviours import ENAS, Profile


class Sample(typing.NamedTuple):
    """What the controller says of n arcs of L layers.

    Attributes:
      op_ids: int32 `[n, L]`.
      skips: int32 `[n, L (L - 1) / 2]`, bits of layer k from k(k-1)/2.
      neg_log_prob: float32 `[n]`, > 0, nats; ENAS's `sample_log_prob` (row 21).
      entropy: float32 `[n]`, nats (row 22): ENAS's is the sum of -p log p of
        the decisions taken, without gradient; the paper's is that of the
        distributions, with gradient.
      skip_count: float32 `[n]`, skips chosen.
      skip_penalty: float32 `[n]`, mean over layers (row 23).
      op_logits: float32 `[n, L, num_ops]`.
      skip_logits: float32 `[n, L (L - 1) / 2, 2]`.
    """

    op_ids: Tensor
    skips: Tensor
    neg_log_prob: Tensor
    entropy: Tensor
    skip_count: Tensor
    skip_penalty: Tensor
    op_logits: Tensor
    skip_logits: Tensor


class ControllerOptions(typing.NamedTuple):
    """Sizes and constants of the controller.

    Attributes:
      tanh_constant: bound of the logits, or None.
      temperature: divisor of the logits, or None.
      skip_target: in (0, 1).
      skip_weight: factor on the skip penalty in the loss.
      entropy_weight: factor on the entropy in the reward, and so in the loss
        where the entropy has a gradient (row 22).
      seed: of the initial weights.
    """

    num_layers: int
    num_ops: int
    lstm_size: int = 64
    lstm_num_layers: int = 1
    tanh_constant: float | None = 1.5
    temperature: float | None = None
    skip_target: float = 0.4
    skip_weight: float = 0.8
    entropy_weight: float = 0.0001
    seed: int = 69
    profile: Profile = ENAS


class Weights(keras.layers.Layer):
    """Uniform weights under one scope, from a dict name -> shape.

    `limits` are the largest absolute values by name, where they are not .1.
    """

    def __init__(self, name: str, seed: int, **limits: float) -> None:
        super().__init__(name=name)
        self.seed = seed
        self.limits = limits

    def build(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for name, shape in shapes.items():
            limit = self.limits.get(name, 0.1)
            weight = common_ops.uniform(self, name, shape, limit, self.seed)
            setattr(self, name, weight)


_State = list[tuple[Tensor, Tensor]]


class StackLSTM(keras.layers.Layer):
    """LSTM layers on top of each other, with or without biases.

    With biases there are two vectors, as in PyTorch, because Adam moves each.

    Source: ENAS common_ops.py `stack_lstm`, torch.nn.LSTM, row 18; same.
    """

    def __init__(self, options: ControllerOptions) -> None:
        super().__init__(name="lstm")
        self.size = options.lstm_size
        self.biases: tuple[str, ...] = ()
        if options.profile.lstm_bias == "learned":
            self.biases = ("b_ih", "b_hh")
        limits = dict.fromkeys(self.biases, 1.0 / math.sqrt(self.size))
        self.cells = [
            Weights(f"layer_{i}", options.seed, **limits)
            for i in range(options.lstm_num_layers)
        ]

    def build(self, shape: object = None) -> None:
        shapes: dict[str, tuple[int, ...]]
        shapes = {"w": (2 * self.size, 4 * self.size)}
        shapes |= dict.fromkeys(self.biases, (4 * self.size,))
        for cell in self.cells:
            cell.build(shapes)

    def step(self, x: Tensor, state: _State) -> tuple[Tensor, _State]:
        """Returns (output float32 `[n, size]`, next state).

        A state is a list of (c, h), float32 `[n, size]` each, per layer.
        """
        next_state = []
        for cell, (prev_c, prev_h) in zip(self.cells, state, strict=True):
            biases = [getattr(cell, name).value for name in self.biases]
            c, x = common_ops.lstm(x, prev_c, prev_h, cell.w.value, biases)
            next_state.append((c, x))
        return x, next_state


class _Decision(typing.NamedTuple):
    logits: Tensor
    choice: Tensor


_Decisions = Sequence[_Decision]


class MacroController(keras.layers.Layer):
    """The policy over arcs: per layer one op, then a bit per skip candidate.

    A defence's prior, float32 `[num_layers, num_ops]`, is added to the bounded
    op logits.

    Source: ENAS general_controller.py and the paper's controller.py, rows 18 to
    23; same, n arcs at once.
    """

    def __init__(
        self, options: ControllerOptions, prior: tf.Variable | None = None
    ) -> None:
        super().__init__(name="controller")
        self.options = options
        self.prior = prior
        seed = options.seed
        self.carries_state = options.profile.lstm_state == "carried"
        self.entropy_of = _ENTROPY[options.profile.entropy]
        self.lstm = StackLSTM(options)
        self.emb = Weights("emb", seed)
        self.softmax = Weights("softmax", seed)
        self.attention = Weights("attention", seed)

    def build(self, shape: object = None) -> None:
        size, num_ops = self.options.lstm_size, self.options.num_ops
        self.lstm.build()
        self.g_emb = common_ops.uniform(
            self, "g_emb", (1, size), 0.1, self.options.seed
        )
        self.emb.build({"w": (num_ops, size)})
        self.softmax.build({"w": (size, num_ops)})
        self.attention.build(
            {"w_1": (size, size), "w_2": (size, size), "v": (size, 1)}
        )

    def sample(self, n: int, seed: Tensor) -> Sample:
        """Draws n arcs; the same seed, int32 `[2]`, and weights the same."""

        def draw(logits: Tensor, number: int) -> Tensor:
            choice = tf.random.stateless_categorical(
                logits, 1, common_ops.fold_in(seed, number), tf.int32
            )
            return choice[:, 0]

        return self._run(n, draw)

    def score(self, op_ids: Tensor, skips: Tensor) -> Sample:
        """Returns the `Sample` of given arcs, in the shapes that it has."""

        def look_up(logits: Tensor, number: int) -> Tensor:
            layer, is_skip = divmod(number, 2)
            if not is_skip:
                return op_ids[:, layer]
            start = layer * (layer - 1) // 2
            return tf.reshape(skips[:, start : start + layer], [-1])

        return self._run(tf.shape(op_ids)[0], look_up)

    def loss(self, op_ids: Tensor, skips: Tensor, advantages: Tensor) -> Tensor:
        """Returns the REINFORCE loss of each arc, float32 `[n]`.

            loss = NLL * (reward - baseline) + skip_weight * skip penalty

        The baseline has moved by the arc's reward before (row 25). Where the
        entropy in the reward has a gradient (row 22), it reaches the loss
        through the advantage.

        Advantages, float32 `[n]`, are reward minus baseline.

        Source: row 26, ENAS general_controller.py `build_trainer`; same.
        """
        arcs = self.score(op_ids, skips)
        # Zero, with the gradient of the entropy.
        entropy = arcs.entropy - tf.stop_gradient(arcs.entropy)
        advantages += self.options.entropy_weight * entropy
        likelihood = arcs.neg_log_prob * advantages
        return likelihood + self.options.skip_weight * arcs.skip_penalty

    def _run(
        self, n: int | Tensor, decide: Callable[[Tensor, int], Tensor]
    ) -> Sample:
        """Runs the policy; `decide(logits [m, choices], number)` decides.

        Decision 2k is layer k's op, 2k + 1 its skips, row by row of the n arcs.
        """
        ops: list[_Decision] = []
        skips: list[_Decision] = []
        anchors: list[Tensor] = []
        size = self.options.lstm_size
        state = [(tf.zeros([n, size]),) * 2] * self.options.lstm_num_layers
        start = tf.broadcast_to(self.g_emb.value, [n, size])
        inputs = start
        for layer in range(self.options.num_layers):
            output, state = self.lstm.step(inputs, state)
            logits = self._bounded(tf.matmul(output, self.softmax.w.value))
            if self.prior is not None:
                logits += self.prior[layer]
            ops.append(_Decision(logits, decide(logits, 2 * layer)))
            inputs = tf.gather(self.emb.w.value, ops[-1].choice)
            output, after = self.lstm.step(inputs, state)
            if self.carries_state:
                state = after
            inputs = start
            if layer > 0:
                logits = self._skip_logits(output, anchors)
                choice = decide(tf.reshape(logits, [-1, 2]), 2 * layer + 1)
                choice = tf.reshape(choice, [-1, layer])
                skips.append(_Decision(logits, choice))
                inputs = _mean_anchor(choice, anchors)
            anchors.append(output)
        return self._summary(n, ops, skips)

    def _bounded(self, logits: Tensor) -> Tensor:
        """Applies temperature and c * tanh (row 20)."""
        if self.options.temperature is not None:
            logits /= self.options.temperature
        if self.options.tanh_constant is not None:
            logits = self.options.tanh_constant * tf.tanh(logits)
        return logits

    def _skip_logits(self, output: Tensor, anchors: Sequence[Tensor]) -> Tensor:
        """Returns logits [-q, q] of every skip, `[n, layer, 2]`."""
        attention = self.attention
        keys = tf.stack(
            [tf.matmul(anchor, attention.w_1.value) for anchor in anchors], 1
        )
        query = tf.matmul(output, attention.w_2.value)[:, tf.newaxis]
        query = tf.tensordot(tf.tanh(keys + query), attention.v.value, 1)
        return self._bounded(tf.concat([-query, query], axis=2))

    def _summary(
        self, n: int | Tensor, ops: _Decisions, skips: _Decisions
    ) -> Sample:
        """Adds up what was decided, decision by decision."""
        # What a single layer has, which has no skips.
        chosen, logits = tf.zeros([n, 0], tf.int32), tf.zeros([n, 0, 2])
        penalty = tf.zeros([n])
        if skips:
            chosen = tf.concat([d.choice for d in skips], axis=1)
            logits = tf.concat([d.logits for d in skips], axis=1)
            penalties = [self._penalty(d.logits) for d in skips]
            penalty = tf.add_n(penalties) / len(penalties)
        return Sample(
            op_ids=tf.stack([d.choice for d in ops], axis=1),
            skips=chosen,
            neg_log_prob=_total(_nll, ops, skips),
            entropy=_total(self.entropy_of, ops, skips),
            skip_count=tf.reduce_sum(tf.cast(chosen, tf.float32), axis=1),
            skip_penalty=penalty,
            op_logits=tf.stack([d.logits for d in ops], axis=1),
            skip_logits=logits,
        )

    def _penalty(self, logits: Tensor) -> Tensor:
        """Returns one layer's skip penalty, `[n]` (row 23).

        Both logits go through a sigmoid of their own, although sampling is a
        softmax over the two; ENAS does so.
        """
        target = self.options.skip_target
        q = tf.sigmoid(logits)
        kl = q * tf.math.log(q / tf.constant([1.0 - target, target]))
        return tf.reduce_sum(kl, axis=[1, 2])


def _nll(decision: _Decision) -> Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=decision.choice, logits=decision.logits
    )


def _sampled_entropy(decision: _Decision) -> Tensor:
    nll = _nll(decision)
    return tf.stop_gradient(nll * tf.exp(-nll))


def _exact_entropy(decision: _Decision) -> Tensor:
    log_p = tf.nn.log_softmax(decision.logits)
    return -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)


_ENTROPY = {"sampled": _sampled_entropy, "exact": _exact_entropy}


def _total(function: Callable, ops: _Decisions, skips: _Decisions) -> Tensor:
    """Returns the sum of a function over all decisions of each arc, `[n]`."""
    terms = [function(decision)[:, tf.newaxis] for decision in ops]
    terms += map(function, skips)
    return tf.reduce_sum(tf.concat(terms, axis=1), axis=1)


def _mean_anchor(choice: Tensor, anchors: Sequence[Tensor]) -> Tensor:
    """Returns the sum of the chosen anchors over (1 + their number)."""
    chosen = tf.cast(choice, tf.float32)
    total = tf.einsum("nk,nks->ns", chosen, tf.stack(anchors, axis=1))
    return total / (1.0 + tf.reduce_sum(chosen, axis=1, keepdims=True))
