"""The schedule of faults: a seed's own, long enough, and of many kinds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit.chaos.schedule import KINDS, LINKS, PROCESSES, RESTORE, TROUBLES, kinds_named, schedule

seeds = st.integers(0, 2**32)


@given(seeds)
def test_a_seed_draws_the_same_faults_again(seed: int) -> None:
    assert schedule(seed, 300) == schedule(seed, 300)


@given(seeds)
def test_kinds_can_be_chosen(seed: int) -> None:
    chosen = kinds_named("casino")
    assert {fault.kind for fault in schedule(seed, 600, chosen)} == set(chosen)
    assert set(chosen) == {kind for kind in KINDS if kind.startswith("casino")}


def test_another_seed_draws_others() -> None:
    assert schedule(1, 300) != schedule(2, 300)


@given(seeds, st.floats(1, 1800))
def test_each_fault_is_over_when_the_run_is(seed: int, seconds: float) -> None:
    faults = schedule(seed, seconds)
    assert all(fault.at >= 0 and fault.at + fault.seconds <= seconds + 0.1 for fault in faults)
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)


@given(seeds)
def test_half_an_hour_has_two_hundred_faults_and_every_kind(seed: int) -> None:
    faults = schedule(seed, 1800)
    assert len(faults) >= 200
    assert {fault.kind for fault in faults} == set(KINDS)


@given(seeds)
def test_three_minutes_have_a_dozen_kinds(seed: int) -> None:
    assert len({fault.kind for fault in schedule(seed, 180)}) >= 12


@given(seeds)
def test_what_happens_in_a_moment_has_no_length_to_hide_its_recovery_in(seed: int) -> None:
    prefixes = ("kill", "redeploy", "rotate", "wrong", "restore")
    moments = [fault for fault in schedule(seed, 600) if fault.kind.startswith(prefixes)]
    assert moments
    assert all(fault.seconds == 0 for fault in moments)


@given(seeds, st.floats(60, 1800))
def test_the_database_is_restored_once_and_early(seed: int, seconds: float) -> None:
    """What comes before it is not judged, and the backup is of the load's first seconds."""
    faults = schedule(seed, seconds)
    (restore,) = [fault for fault in faults if fault.kind == RESTORE]
    assert 20 <= restore.at <= 50
    assert all(fault.at >= restore.at + 15 for fault in faults[faults.index(restore) + 1 :])


@given(seeds)
def test_a_restore_may_be_all_that_happens(seed: int) -> None:
    assert [fault.kind for fault in schedule(seed, 600, kinds_named("restore"))] == [RESTORE]
    assert schedule(seed, 19, kinds_named("restore")) == []


@given(seeds)
def test_without_the_restore_there_is_none(seed: int) -> None:
    assert RESTORE not in {fault.kind for fault in schedule(seed, 600, kinds_named("kill"))}


def test_some_faults_overlap() -> None:
    faults = schedule(1, 1800)
    assert any(one.at + one.seconds > other.at for one, other in pairwise(faults))


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_is_killed_and_frozen(process: str) -> None:
    assert {f"kill {process}", f"freeze {process}"} <= set(KINDS)


@pytest.mark.parametrize("link", LINKS)
def test_every_pair_has_every_trouble(link: str) -> None:
    assert {f"{link} {trouble}" for trouble in TROUBLES} <= set(KINDS)
