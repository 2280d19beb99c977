"""Fingerprints of data change with what a script finds there."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.output.fingerprint import of_data


def test_a_link_to_another_folder_is_other_data(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "weights").write_text(version)
    model = tmp_path / "model"
    model.mkdir()
    (model / "loop").symlink_to(model)
    (model / "latest").symlink_to(tmp_path / "v1")
    before = of_data(model)
    assert of_data(model) == before
    (model / "latest").unlink()
    (model / "latest").symlink_to(tmp_path / "v2")
    assert of_data(model) != before
