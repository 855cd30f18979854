"""Measuring arcs of a run, and naming pictures."""

import dataclasses
import re
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from enas.cifar10 import build
from enas.cifar10.batches import standardize
from enas.cifar10.config import Config
from enas.cifar10.flags import make_flags
from enas.run import checkpoint
from enas.tools import open_run
from enas.tools.evaluate import count_answers, main, predict, read_image
from helpers import SMALL_ARC, small_search


def run(*arguments):
    return main(["evaluate", *arguments])


@pytest.fixture(scope="module")
def search(small_run):
    return load(small_run)


def load(path, *arguments):
    return open_run.load(
        open_run.read_config(make_flags(), ["x", *arguments], path)
    )


def write_picture(path, height=32, width=32, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    tf.io.write_file(str(path), tf.io.encode_png(image))
    return image


def test_sampled_arcs_and_a_table_per_class(small_run, capsys):
    # A flag given twice takes its last value, as in a search.
    given = ["--output_dir=none", f"--output_dir={small_run}"]
    assert run(*given, "--num_arcs=2") == 0
    text = capsys.readouterr().out
    assert "40 images of the test set, mode eval" in text
    assert text.count("error ") == 3 and "of 2 arcs" in text
    assert re.search(r"^rings +\d+ +[\d.]+ ", text, flags=re.M)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_error_of_an_arc_is_that_of_the_search(search, mode, capsys):
    arc = open_run.best_arc(search)
    wanted = 100 * (
        1 - search.evaluation.accuracy_of(arc, search.data.valid, mode)
    )
    run_dir = f"--output_dir={search.config.output_dir}"
    arguments = [f"--arc={arc}", f"--mode={mode}", "--split=valid"]
    assert run(run_dir, *arguments) == 0
    assert f"error {wanted:6.2f} %  {arc}" in capsys.readouterr().out


def test_answers_are_counted_by_label_and_answer(search):
    arc = open_run.best_arc(search)
    table = count_answers(search, arc, search.data.test)
    labels = np.bincount(search.data.test.labels, minlength=10)
    np.testing.assert_array_equal(table.sum(axis=1), labels)
    accuracy = search.evaluation.accuracy_of(arc, search.data.test)
    assert np.trace(table) / 40 == pytest.approx(accuracy)


def test_pictures_are_named(small_run, tmp_path, capsys):
    write_picture(tmp_path / "a.png")
    write_picture(tmp_path / "b.png", 50, 80)
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    assert run(f"--output_dir={small_run}", "--predict", *paths) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, start in zip(
        lines, ("Devices: ", "Data: ", "arc "), strict=False
    ):
        assert line.startswith(start)
    for path, line in zip(paths, lines[3:], strict=True):
        assert re.fullmatch(rf"{path}: (.+ 0\.\d+(, |$)){{3}}", line), line


def test_an_image_is_named_alike_in_any_company(search):
    arc = open_run.best_arc(search)
    images = search.data.test.images[:3]
    together = predict(search, arc, images)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)
    alone = predict(search, arc, images[1:2])
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)


def test_an_image_is_named_alike_under_batch_statistics(small_run):
    search = load(small_run, "--override=bn_evaluation=batch")
    arc = open_run.best_arc(search)
    images = search.data.test.images[:2]
    together = predict(search, arc, images)
    alone = predict(search, arc, images[1:])
    np.testing.assert_allclose(together[1:], alone, atol=1e-5)


@pytest.mark.parametrize("statistics", ["moving", "batch"])
def test_many_images_are_answered_in_batches(search, statistics, monkeypatch):
    sizes, data = [], search.data

    def logits_of(images, arc):
        sizes.append(len(images))
        return images.mean(axis=(1, 2))

    of_run = types.SimpleNamespace(
        data=data,
        config=search.config,
        profile=types.SimpleNamespace(bn_evaluation=statistics),
        evaluation=types.SimpleNamespace(batch_size=16, logits=logits_of),
    )
    images = np.concatenate([data.test.images[:25]] * 2)
    answers = predict(of_run, None, images)
    assert max(sizes) == 16 and answers.shape == (50, 3)
    logits = standardize(images, data.mean, data.std).mean(axis=(1, 2))
    np.testing.assert_allclose(answers, softmax(logits, axis=1), rtol=1e-6)


def test_pictures_are_read_as_they_are_or_as_their_centred_square(tmp_path):
    image = write_picture(tmp_path / "a.png")
    path, config = str(tmp_path / "a.png"), Config()
    np.testing.assert_array_equal(read_image(path, config), image)
    wide = np.zeros((64, 100, 3), np.uint8)
    wide[:, 18:82] = 200
    tf.io.write_file(str(tmp_path / "b.png"), tf.io.encode_png(wide))
    path = str(tmp_path / "b.png")
    found = read_image(path, config)
    np.testing.assert_array_equal(found, np.full((32, 32, 3), 200))
    # As the images of the run's folder were.
    stretched = Config(dataset="folder:mine", image_size=8)
    assert read_image(path, stretched)[0, :, 0].min() == 0
    cropped = dataclasses.replace(stretched, resize="crop")
    np.testing.assert_array_equal(
        read_image(path, cropped), np.full((8, 8, 3), 200)
    )


def test_a_final_network_is_measured(small_final, capsys):
    assert run(f"--output_dir={small_final}", f"--arc={SMALL_ARC}") == 0
    assert "of 1 arcs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "received none"),
        (["--output_dir=nowhere"], "holds no flags.txt"),
        (["--output_dir={run}", "--mode=both"], "eval, train"),
        (["--output_dir={run}", "--split=train"], "valid, test"),
        (["--output_dir={run}", "--num_arcs=0"], "at least 1"),
        (["--output_dir={run}", "--arc=0 1"], "3 numbers"),
        (["--output_dir={run}", "--predict"], "received none"),
        (["--output_dir={run}", "--predict", "no.png"], "no file no.png"),
        (["--output_dir={run}", "--predict", "{run}/stdout"], "or is damaged"),
        (
            ["--output_dir={run}", "--mode=train", "--predict", "{run}/stdout"],
            "Leave them out",
        ),
        (["--output_dir={run}", "--q=5"], "of another search"),
        (["--output_dir={final}", "--arc=0  0 0"], "holds one architecture"),
        (["--output_dir={final}", "--split=valid"], "is empty"),
    ],
)
def test_mistakes_are_told(arguments, wanted, small_run, small_final, capsys):
    places = {"run": small_run, "final": small_final}
    assert run(*(word.format(**places) for word in arguments)) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and wanted in message


def test_a_run_in_progress_is_opened_at_its_newest_checkpoint(
    tmp_path, monkeypatch
):
    search, folder = small_search(step=5), tmp_path / "checkpoints"
    checkpoint.write(search, str(folder))

    def load_search(*unused):
        # Meanwhile the search ends two epochs and needs the first no more.
        checkpoint.write(small_search(step=15), str(folder))
        shutil.rmtree(folder / "epoch-1")
        return search

    monkeypatch.setattr(build, "load_search", load_search)
    opened = open_run.load(Config(output_dir=str(tmp_path)))
    assert opened.whole_epochs == 3
