# ruff: noqa: E501 - a table of mistakes, one a line
"""Every mistake in a site is told in one sentence: file, line, key, what was found, what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import load_site
from manufacturing_copilot_tests.site.builder import write_site

MISTAKES = [
    # which file, what stands there, what is written instead, the line, what the sentence must say
    ("site", "zone: Europe/Berlin", "zone: Berlin", 2, ["key zone", "found 'Berlin', expected a time zone"]),
    ("site", "site: Hall 4\n", "", 1, ["key site", "required and missing"]),
    ("site", "history_from: 2024-01-01", "history_from: 2024-13-45", 3, ["found '2024-13-45', expected a day such as"]),
    ("site", "zone:", "clock: dta\nzone:", 2, ["found 'dta', expected system or data or a day", "mean 'data'?"]),
    ("site", "kind: sales", "kind: sale", 6, ["key sources.shop.kind", "found 'sale', expected erp, ", "mean 'sales'?"]),
    ("site", "kind: sales", "kid: sales", 6, ["key sources.shop.kid", "not known; known here: ", "; did you mean 'kind'?"]),
    ("site", "shop:", "Shop:", 6, ["key sources.Shop", "lower-case"]),
    ("site", "[daily, weekly]", "[daily, wekly]", 8, ["key forecasts.demand.1", "did you mean 'weekly'?"]),
    ("site", "demand: [", "demands: [", 8, ["found 'demands', expected demand, inventory", "did you mean 'demand'?"]),
    ("site", "{daily: 28}", "{daily: 0}", 9, ["key horizons.daily", "found 0, expected a number greater than 0"]),
    ("site", "{daily: 28}", "{daily: many}", 9, ["found 'many', expected a whole number"]),
    ("site", '"05:30"', '"25:30"', 10, ["key schedule", "found '25:30', expected a time of day"]),
    ("site", "zone:", "site: Hall 5\nzone:", 2, ["the key 'site' stands twice"]),
    ("site", "sources:", "\tsources:", 4, ["a tab stands in the indentation"]),
    ("site", "site: Hall 4", "site: Hall: 4", 1, ["not YAML", "quotes"]),
    ("site", "site: Hall 4", "[a, b]: Hall 4", 1, ["a key is a list"]),
    ("feed", "repeats: update", "repeats: sometimes", 6, ["key repeats", "found 'sometimes', expected keep, update or"]),
    ("feed", "records: order_lines", "records: orderlines", 2, ["key records", "did you mean 'order_lines'?"]),
    ("feed", "feed: shop/", "feed: shopp/", 1, ["'shopp' is not declared in site.yaml", "did you mean 'shop'?"]),
    ("feed", "feed: shop/order_lines", "feed: Orders", 1, ["found 'Orders', expected source/name"]),
    ("feed", "  quantity:", "  quantty:", 11, ["key columns.quantty", "did you mean 'quantity'?"]),
    ("feed", "  item: Artikel\n", "", 7, ["key columns", "'item' (the item) is missing"]),
    ("feed", "key: [order_no]", "key: [order]", 5, ["key key", "found 'order', which is not under columns", "mean 'order_no'?"]),
    ("feed", "dates: day-first", "dates: dayfirst", 10, ["key columns.ordered_on.dates", "did you mean 'day-first'?"]),
    ("feed", "dates: day-first", "date: day-first", 10, ["columns.ordered_on.date: this key is not known; ", "; did you mean 'dates'?"]),
    ("feed", "  order_no: Auftrag", "  order_no: 0", 8, ["key columns.order_no", "counted from 1"]),
    ("feed", "  order_no: Auftrag", "  order_no: {constant: 1, column: A}", 8, ["either column: or constant:"]),
    ("feed", "26 hours", "26", 12, ["key fresh_within", "found 26, expected a length of time such as '26 hours'"]),
    ("feed", "files: inbox", "sql: {url: 'postgresql://me:secret@host/db', table: t, watermark: w}\nfiles: inbox", 3, ["key sql.url", "env:NAME"]),
    ("feed", "files: inbox/shop/orders*.csv\n", "", 1, ["expected either files: or sql:"]),
    ("feed", "columns:\n", "columns: none\nnote:\n", 7, ["key columns", "found 'none', expected keys and values"]),
    ("rules", "{warning: 3", "{warnin: 3", 3, ["key 0.levels.warnin", "expected info, warning or critical", "mean 'warning'?"]),
    ("rules", "{warning: 3, critical: 10}", "{warning: 30, critical: 10}", 3, ["key 0.levels", "rise with severity"]),
    ("rules", "{warning: 3, critical: 10}", "{}", 3, ["expected at least one level"]),
    ("rules", "{warning: 3", "{warning: soon", 3, ["found 'soon', expected a number"]),
    ("rules", "for: {abc: [A, B]}", "for: {abz: [A, B]}", 4, ["key 0.for.abz", "did you mean 'abc'?"]),
    ("rules", "for: {abc: [A, B]}", "for: {feed: shop/orderlines}", 4, ["no feed of this site", "mean 'shop/order_lines'?"]),
    ("rules", "lasting: 2 days", "lasting: 2 dayz", 5, ["key 0.lasting", "found '2 dayz', expected a length of time"]),
    ("rules", "when: days_late", "when: dayslate", 2, ["key 0.when", "did you mean 'days_late'?"]),
    ("rules", "- rule: late supply\n", "- rule: late supply\n  when: days_late\n  levels: {info: 1}\n  say: x\n- rule: late supply\n", 5, ["another rule is called 'late supply'"]),
    ("rules", "- rule: late supply", "  rule: late supply", 1, ["expected a list, each entry starting with '- rule:'"]),
    ("people", "env:BUYER_MAIL", "mailto://me:secret@host", 2, ["key 0.channels.mail", "expected env:NAME"]),
    ("people", "{mail: env:BUYER_MAIL}", "mailto://me:secret@host", 2, ["key 0.channels", "expected keys and values"]),
    ("people", "env:BUYER_MAIL", "'env:BUYER MAIL'", 2, ["expected env:NAME"]),
    ("people", "by: mail", "by: mial", 4, ["key 0.hears.0.by", "did you mean 'mail'?"]),
    ("people", "about: supply", "about: suply", 4, ["key 0.hears.0.about:", "did you mean 'supply'?"]),
    ("people", '"20:00"', "20", 5, ["key 0.quiet.from", "found 20, expected a time of day"]),
    ("people", "daily at 07:00", "daily at 7", 6, ["key 0.digest", "daily at 07:00"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("which", "old", "new", "line", "says"),
    MISTAKES,
    ids=[f"{mistake[0]}: {mistake[2][:40]!r}" for mistake in MISTAKES],
)
def test_a_mistake_names_its_file_line_and_key(
    tmp_path: Path, which: str, old: str, new: str, line: int, says: list[str]
) -> None:
    folder = write_site(tmp_path, **{which: (old, new)})
    with pytest.raises(SiteError) as error:
        load_site(folder)
    sentence = str(error.value)
    name = "feeds/order_lines.yaml" if which == "feed" else f"{which}.yaml"
    assert sentence.startswith(f"{folder / name}, line {line}"), sentence
    for words in says:
        assert words in sentence, sentence
    assert "secret" not in sentence
    assert "\n" not in sentence


def test_a_missing_folder_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="no such folder; `copilot init"):
        load_site(tmp_path / "nowhere")


def test_a_folder_without_site_yaml_is_told(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"site\.yaml: the file is missing"):
        load_site(tmp_path)


@pytest.mark.parametrize("name", ["site.yaml", "feeds/order_lines.yaml"])
def test_an_empty_file_is_told(tmp_path: Path, name: str) -> None:
    (write_site(tmp_path) / name).write_text("# nothing yet\n", encoding="utf-8")
    with pytest.raises(SiteError, match="the file is empty; expected keys and values"):
        load_site(tmp_path)


def test_a_site_without_feeds_is_told(tmp_path: Path) -> None:
    (write_site(tmp_path) / "feeds/order_lines.yaml").unlink()
    with pytest.raises(SiteError, match="no feed is declared"):
        load_site(tmp_path)


def test_a_feed_in_a_file_that_would_be_overlooked_is_told(tmp_path: Path) -> None:
    path = write_site(tmp_path) / "feeds/order_lines.yaml"
    path.rename(path.with_suffix(".yml"))
    with pytest.raises(SiteError, match=r"rename it to order_lines\.yaml"):
        load_site(tmp_path)


def test_two_files_that_declare_one_feed_are_told(tmp_path: Path) -> None:
    path = write_site(tmp_path) / "feeds/order_lines.yaml"
    path.with_name("orders_again.yaml").write_bytes(path.read_bytes())
    with pytest.raises(SiteError, match=r"orders_again\.yaml, line 1, key feed: another file declares"):
        load_site(tmp_path)


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (write_site(tmp_path) / "site.yaml").write_bytes("site: Gießerei\n".encode("cp1252"))
    with pytest.raises(SiteError, match="byte 9 is not UTF-8; save the file as UTF-8"):
        load_site(tmp_path)


def test_an_unknown_feed_asked_for_names_the_nearest(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path))
    with pytest.raises(SiteError, match=r"called 'shop/orders'; known: .*; did you mean 'shop/order_lines'"):
        site.feed("shop/orders")
