"""W&B: without a key an offline run is kept and nothing is asked for or sent; with a key nothing is kept here."""

import importlib
import socket

import pytest

from helpers import tracking

JOB = {
    "id": "cust-1",
    "output_model": "ns/m@cust-1",
    "hyperparameters": {"epochs": 2},
    "status_details": {
        "metrics": {
            "metrics": {
                "train_loss": [{"step": 0, "value": 2.0}, {"step": 10, "value": 1.0}],
                "val_loss": [{"step": 10, "value": 1.5}],
            }
        }
    },
}


@pytest.fixture
def loopback_only(monkeypatch):
    """Any attempt to reach another host is an error."""
    connect = socket.socket.connect

    def guarded(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"connection to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.mark.filterwarnings("ignore")  # wandb's own
def test_without_a_key_an_offline_run_is_kept_once(tmp_path, loopback_only):
    kept = tracking.curves(JOB, api_key="", folder=tmp_path)
    assert kept.folder is not None
    assert (kept.folder / "run-cust-1.wandb").stat().st_size > 0
    assert f"wandb sync {kept.folder}" in repr(kept)
    again = tracking.curves(JOB, api_key="", folder=tmp_path)
    assert again.folder == kept.folder


@pytest.mark.filterwarnings("ignore")
def test_the_kept_run_holds_the_losses_and_the_cell_stays_clean(tmp_path, loopback_only, capfd):
    importlib.import_module("openai")  # wandb advertises its tracing when it sees this one
    kept = tracking.curves(JOB, api_key="", folder=tmp_path)
    assert capfd.readouterr() == ("", "")
    content = (kept.folder / "run-cust-1.wandb").read_bytes()
    for text in (b"train_loss", b"val_loss", b"ns/m@cust-1"):
        assert text in content


def test_with_a_key_the_run_is_online_and_nothing_is_kept_here(tmp_path):
    shown = repr(tracking.curves(JOB, api_key="canary", folder=tmp_path))
    assert "tool-calling-tutorial" in shown
    assert "cust-1" in shown
    assert "canary" not in shown
    assert list(tmp_path.iterdir()) == []


def test_points_are_in_the_order_of_their_steps():
    assert tracking._by_step(JOB) == [(0, {"train_loss": 2.0}), (10, {"train_loss": 1.0, "val_loss": 1.5})]


def test_a_request_names_the_project_only_with_a_key():
    assert tracking.integrations("") == {}
    assert tracking.integrations("canary") == {
        "integrations": [{"type": "wandb", "wandb": {"project": tracking.PROJECT}}]
    }
