"""The pure parts of the kinds digest and flaky."""

import hashlib
from pathlib import Path

import pytest

from examples.renderer.kinds.digest import Algorithm, Digest, DigestParams, Entry, digest_line, walk
from examples.renderer.kinds.flaky import corrupt_row, count_good_rows, describe_row, export


@pytest.mark.parametrize(
    ("rows", "fail_at", "bad"),
    [(10_000, 50, 5000), (10_000, None, None), (10, 0, 1), (10, 100, 10), (1, 50, 1)],
)
def test_the_bad_row_stands_where_it_was_asked_for(
    rows: int, fail_at: float | None, bad: int | None
) -> None:
    assert corrupt_row(rows, fail_at) == bad


def test_rows_before_the_bad_one_are_good() -> None:
    lines = export(4998, 5010, 5000)
    assert count_good_rows(lines) == 2
    assert describe_row(5000, lines[2]) == "row 5,000 has 7 columns where 9 are expected"


def test_without_a_bad_row_all_are_good() -> None:
    assert count_good_rows(export(1, 20, None)) == 20


def test_a_walk_finds_regular_files_only(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("four")
    (tmp_path / "link").symlink_to(tmp_path / "sub" / "file")
    (tmp_path / "folder link").symlink_to(tmp_path)
    assert list(walk(tmp_path)) == [Entry("sub/file", 4)]


def test_a_line_is_that_of_sha256sum() -> None:
    assert digest_line("00ff", "sub/ä") == "00ff  sub/ä\n".encode()


def test_folders_outside_of_the_roots_are_refused(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    for folder in (root / "in", other):
        folder.mkdir(parents=True)
    (root / "way out").symlink_to(other)
    digest = Digest((root,))
    for inside in (str(root), "in", ".", "in/..", None):
        assert digest.check(DigestParams(folder=inside)) == []
    for outside in (str(other), "..", "in/../../other", "way out", "/", "~", "missing"):
        assert len(digest.check(DigestParams(folder=outside))) == 1


def test_an_unprintable_folder_is_refused_and_not_a_fault(tmp_path: Path) -> None:
    for folder in ("\ud800", "a" * 4096):
        assert len(Digest((tmp_path,)).check(DigestParams(folder=folder))) == 1


def test_hashlib_knows_every_algorithm() -> None:
    for algorithm in Algorithm:
        assert hashlib.new(algorithm).hexdigest()
