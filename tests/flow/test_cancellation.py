"""Which steps stop when one of them, a nested pipeline or the run is canceled."""

from __future__ import annotations

from prefect_parallel.flow.run.cancellation import CANCELED, Cancellation


def test_a_nested_pipeline_is_canceled_with_its_steps_and_without_others() -> None:
    cancellation = Cancellation()
    before = {name: cancellation.of(name) for name in ("", "a", "a.b", "a.b.c", "ab", "d")}
    cancellation.cancel("a was canceled", "a")
    assert [name for name, event in before.items() if event.is_set()] == ["a", "a.b", "a.b.c"]
    assert cancellation.of("a.late").is_set()
    assert cancellation.reason("a.b") == "a was canceled"
    assert cancellation.reason() is None
    # What has stopped already is not told for another reason.
    cancellation.cancel("a.b was canceled", "a.b")
    cancellation.cancel(CANCELED)
    cancellation.cancel("d was canceled", "d")
    assert all(event.is_set() for event in before.values())
    assert cancellation.reason("d") == CANCELED
    assert cancellation.of_steps() == {"a": "a was canceled"}
