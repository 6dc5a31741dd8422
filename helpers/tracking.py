"""Where the training curves are: in Weights & Biases with a key, in an offline run on this machine without one.

With WANDB_API_KEY the Customizer itself reports to W&B while it trains; the key travels in a header of the request that
creates the job, and nowhere else. Without a key nothing asks for one: `curves` keeps an offline run made of the job's
metrics, which `wandb sync` can upload any time later.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from . import customizer

PROJECT = "tool-calling-tutorial"


@dataclass(frozen=True)
class Curves:
    """Where to look; `folder` is the offline run, None when the run is online."""

    run: str
    folder: Path | None = None

    def __repr__(self) -> str:
        if self.folder is None:
            return f"Online: project {PROJECT!r} at wandb.ai, run {self.run}"
        return f"Kept offline: {self.folder}\nUpload later: wandb sync {self.folder}"


def integrations(api_key: str) -> dict:
    """The part of a training request that names the W&B project: empty without a key."""
    return {"integrations": [{"type": "wandb", "wandb": {"project": PROJECT}}]} if api_key else {}


def curves(job: dict, *, api_key: str, folder: str | Path) -> Curves:
    """Where the curves of a completed training job are; without a key they are kept in an offline run in `folder`."""
    if api_key:
        return Curves(job["id"])
    kept = sorted(Path(folder).glob(f"wandb/offline-run-*-{job['id']}"))
    return Curves(job["id"], kept[-1] if kept else _keep_offline(job, Path(folder)))


def _keep_offline(job: dict, folder: Path) -> Path:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read at import: offline means nothing leaves
    os.environ.setdefault("WANDB_DISABLE_WEAVE", "true")  # an advertisement in the cell's output
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        mode="offline",
        project=PROJECT,
        id=job["id"],
        name=job["id"],
        dir=folder,
        config={"output_model": job.get("output_model"), **(job.get("hyperparameters") or {})},
        settings=wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True
        ),
    )
    for step, values in _by_step(job):
        run.log(values, step=step)
    kept = Path(run.settings.sync_dir)
    run.finish()
    wandb.teardown()  # waits for W&B's own process, which may still hold the points in memory when `finish` returns
    return kept.relative_to(Path.cwd()) if kept.is_relative_to(Path.cwd()) else kept


def _by_step(job: dict) -> list[tuple[int, dict[str, float]]]:
    """(step, {name: value}) in ascending order of steps, as W&B wants it."""
    steps: dict[int, dict[str, float]] = {}
    for name, points in customizer.losses(job).items():
        for point in points:
            steps.setdefault(point["step"], {})[name] = point["value"]
    return sorted(steps.items())
