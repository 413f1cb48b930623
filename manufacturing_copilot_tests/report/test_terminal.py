import io

from rich.console import Console

from manufacturing_copilot.report.status import Status, read_status
from manufacturing_copilot.report.terminal import print_status
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.report import scenes


def _printed(status: Status, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_status(status, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_an_empty_site_says_what_to_do(store: Store) -> None:
    assert "nothing has come in yet; `copilot run` looks into the inbox" in _printed(
        read_status(store, scenes.make_site())
    )


def test_the_status_says_what_came_in_what_was_rejected_what_is_open_and_who_was_told(store: Store) -> None:
    scenes.fill(store)
    text = _printed(read_status(store, scenes.make_site()))
    assert "1,000 rows received = 960 accepted + 25 duplicate + 15 rejected" in text
    assert "12 rows of shop/order_lines, such as orders_0313.csv, line 13: Menge: 'x13' is no number" in text
    assert "shop/order_lines failed: orders_0314.csv lacks the column Menge" in text
    assert "demand weekly: 3 series to Mon 8 Jun 2026" in text
    assert "→ order 240 from Kugel AG by 17 March" in text
    assert "shift lead by mail: 1 accepted, 1 failed, 1 unknown" in text


def test_the_status_fits_a_hundred_columns_and_needs_no_colour(store: Store) -> None:
    scenes.fill(store)
    text = _printed(read_status(store, scenes.make_site()), width=240)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text


def test_markup_in_a_title_is_printed_as_it_is(store: Store) -> None:
    scenes.add_batches(store)
    scenes.add_items(store)
    scenes.add(store, scenes.t.alert, scenes.stockout(1, severity="warning") | {"title": "[red]A-001[/red] [/]"})
    assert "[red]A-001[/red] [/]" in _printed(read_status(store, scenes.make_site()))
