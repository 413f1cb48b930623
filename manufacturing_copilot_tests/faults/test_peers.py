"""Our readers give what independent ones give, cell by cell; `python -m …faults.peers` compares many more files."""

from manufacturing_copilot_tests.faults.peers import compare, generated


def test_generated_files_are_read_as_by_independent_readers() -> None:
    fates = {name: compare(name, content) for name, content in generated(6, seed=3)}
    assert {name: fate for name, fate in fates.items() if fate[0] != "same"} == {}
