"""Rows that begin alike are computed together, every row once an epoch, and the steps are as many as documented."""

import math

import pytest

from local_nemo.lm import batches
from tests.tiny_model import row

TOOLS = ["a" * 40, "b" * 60, "c" * 30]
ROWS = [row(f"{TOOLS[n % 3]} question {n} ", f"answer {n}") for n in range(20)] + [row("alone", "yes")]


def test_rows_with_the_same_beginning_form_a_group() -> None:
    found = {frozenset(group.rows): group.shared for group in batches.groups(ROWS)}
    members = sorted(map(len, found))
    assert members == [1, 6, 7, 7]
    for rows, shared in found.items():
        beginnings = {ROWS[index].ids[:shared] for index in rows}
        assert len(beginnings) == 1
        assert shared == 0 if len(rows) == 1 else shared >= 30


def test_the_shared_part_ends_before_what_predicts_an_answer() -> None:
    same = [row("x" * 50, "yes"), row("x" * 50, "no"), row("x" * 50, "no")]
    (group,) = batches.groups(same)
    assert group.shared == 49


@pytest.mark.parametrize("batch_size", [1, 2, 4, 8, 100])
def test_an_epoch_has_every_row_once_in_full_batches(batch_size: int) -> None:
    groups = batches.groups(ROWS)
    epoch = list(batches.epoch(groups, batch_size, seed=1))
    sizes = [sum(len(tree.rows) for tree in batch) for batch in epoch]
    assert len(epoch) == math.ceil(len(ROWS) / batch_size)
    assert all(size == batch_size for size in sizes[:-1])
    assert sorted(index for batch in epoch for tree in batch for index in tree.rows) == list(range(len(ROWS)))
    assert all(tree.shared == groups[tree.group].shared for batch in epoch for tree in batch)


def test_the_seed_decides_the_order() -> None:
    groups = batches.groups(ROWS)
    assert list(batches.epoch(groups, 4, seed=1)) == list(batches.epoch(groups, 4, seed=1))
    assert list(batches.epoch(groups, 4, seed=1)) != list(batches.epoch(groups, 4, seed=2))


def test_sharing_saves_most_of_a_repeated_beginning() -> None:
    rows = [row("t" * 200 + f"question {n:02}", "yes") for n in range(16)]
    computed = sum(batches.tokens(tree, rows) for batch in batches.epoch(batches.groups(rows), 8, 1) for tree in batch)
    assert computed < sum(len(one.ids) for one in rows) / 4


def test_a_tree_is_cut_where_it_would_grow_too_long_and_a_long_row_stays_whole() -> None:
    rows = [row("t" * 50 + f"question {n:02}", "yes") for n in range(6)] + [row("t" * 50 + "q" * 500, "yes")]
    tree = batches.Tree(tuple(range(7)), 50, 0)
    parts = list(batches.bounded(tree, rows, 100))
    assert [index for part in parts for index in part.rows] == list(range(7))
    assert [len(part.rows) for part in parts] == [3, 3, 1]
    assert all(batches.tokens(part, rows) <= 100 for part in parts[:-1])
    assert list(batches.bounded(tree, rows, 10_000)) == [tree]


def test_no_rows_make_no_groups() -> None:
    assert batches.groups([]) == []
