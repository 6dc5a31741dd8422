"""The server's settings, and what it refuses to start with."""

import asyncio
import socket
from pathlib import Path

import pytest

from local_nemo import __main__ as command_line
from local_nemo import server
from local_nemo.settings import BadSetting, Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_anything_but_loopback_is_refused_with_the_alternative(host: str) -> None:
    with pytest.raises(BadSetting, match="SSH tunnel"):
        Settings(host=host)


def test_environment_variables_win_over_defaults_and_arguments_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_NEMO_PORT", "9001")
    monkeypatch.setenv("LOCAL_NEMO_ALLOWED_HOSTS", "integrate.api.nvidia.com, other.example")
    assert Settings.from_env().port == 9001
    assert Settings.from_env(port=9002).port == 9002
    assert Settings.from_env().allowed_hosts == ("integrate.api.nvidia.com", "other.example")


def test_a_port_that_is_no_number_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_NEMO_PORT", "eight")
    with pytest.raises(BadSetting, match="LOCAL_NEMO_PORT.*'eight'"):
        Settings.from_env()


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(BadSetting, match="between 0 and 65535"):
        Settings(port=port)


def test_ipv6_loopback_is_written_in_brackets() -> None:
    assert Settings(host="::1", port=1).nim_url == "http://[::1]:1/nim"


def test_a_second_server_on_one_state_folder_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    import os

    with server.lock_state(tmp_path), pytest.raises(server.CannotStart, match=f"pid {os.getpid()}"):
        server.lock_state(tmp_path).__enter__()
    with server.lock_state(tmp_path):
        assert server.running_pid(tmp_path) == os.getpid()
    assert server.running_pid(tmp_path) is None


def test_a_port_in_use_is_reported_before_anything_is_loaded() -> None:
    with server.bind(Settings(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(server.CannotStart, match=f"port {port}.*--port"):
            server.bind(Settings(port=port))


def test_the_command_line_turns_a_bad_setting_into_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["serve", "--host", "0.0.0.0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("local_nemo: ") and error.count("\n") == 1


def test_stopping_without_a_server_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["stop", "--state", str(tmp_path)]) == 0
    assert "no server runs" in capsys.readouterr().out


def test_answers_over_a_kept_connection_do_not_wait_for_acknowledgements() -> None:
    async def accepted_without_delay() -> bool:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(bool(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        listener = server.bind(Settings(port=0))
        async with await asyncio.start_server(look, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            answer = await found
            writer.close()
            return answer

    assert asyncio.run(accepted_without_delay())
