"""The table of faults: made of the recorded run alone, and of faults that tests really try."""

import json
from pathlib import Path

from tests import compatibility, faults

TESTS = Path(faults.__file__).parent
NAMES = {value.name: name for name, value in vars(faults).items() if isinstance(value, faults.Fault)}


def test_the_page_shows_what_was_recorded() -> None:
    assert faults.section() in compatibility.PATH.read_text(encoding="utf-8"), "run: python -m tests.compatibility"


def test_nothing_is_recorded_that_was_not_survived() -> None:
    record = json.loads(faults.RECORD.read_text())
    assert set(record["faults"]) <= set(NAMES)
    for name, found in record["faults"].items():
        assert found["survived"] == found["tried"], f"{name}: mend it, then `make torture` again"


def test_every_fault_has_a_name_of_its_own_a_promise_and_a_test_that_tries_it() -> None:
    assert len(NAMES) == len(faults.FAULTS)
    assert {fault.promise for fault in faults.FAULTS} == set(faults.PROMISES)
    sources = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")]
    for name in NAMES.values():
        assert any(f"{name}.trial(" in source and "mark.faults" in source for source in sources), name


def test_a_fault_counts_as_survived_if_nothing_was_raised(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(faults, "_tried", faults.Counter())
    monkeypatch.setattr(faults, "_survived", faults.Counter())
    fault = faults.FAULTS[0]
    with fault.trial(3):
        pass
    try:
        with fault.trial():
            raise ConnectionError
    except ConnectionError:
        faults.save(tmp_path / "record.json")
    found = json.loads((tmp_path / "record.json").read_text())["faults"]
    assert found == {fault.name: {"tried": 4, "survived": 3, "recorded": found[fault.name]["recorded"]}}
