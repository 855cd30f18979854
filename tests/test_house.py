"""The house stays in its bounds: no long file, no crowded folder."""

import pathlib

ROOT = pathlib.Path(__file__).parents[1]
FILES = [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")]


def test_no_file_has_more_than_400_lines():
    long = [p for p in FILES if len(p.read_text().splitlines()) > 400]
    assert not long


def test_no_folder_of_src_has_more_than_25_files():
    folders = [path.parent for path in ROOT.glob("src/**/*.py")]
    assert not {f for f in folders if folders.count(f) > 25}
