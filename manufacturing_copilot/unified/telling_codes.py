"""Which barcodes, part numbers and SKUs tell an item, and which mean nothing or were ruined on their way."""

from __future__ import annotations

import polars as pl

from manufacturing_copilot.unified.codes import normal

NOTHING = (
    *("na", "nv", "nd", "ka", "none", "no", "null", "nil", "nan", "void", "empty", "blank", "missing", "undefined"),
    *("tbd", "tba", "tbc", "todo", "unknown", "unk", "various", "misc", "dummy", "notavailable", "notapplicable"),
    *("nobarcode", "noean", "nocode", "default", "xxx", "see", "ref", "refer", "name", "value", "div0"),
    *("keine", "kein", "keiner", "ohne", "unbekannt", "entfällt", "diverse", "leer", "nichtvorhanden", "siehetext"),
    *("aucun", "aucune", "sans", "inconnu", "néant", "vide", "sanscode", "nonapplicable"),
    *("ninguno", "ninguna", "desconocido", "sincodigo", "sincódigo", "noaplica", "vacio", "vacío"),
    *("nessuno", "nessuna", "sconosciuto", "senza", "vuoto", "nenhum", "nenhuma", "desconhecido", "sem"),
    *("geen", "onbekend", "brak", "nieznany", "žádný", "ingen", "okänd", "ukendt", "yok", "нет", "неизвестно"),
    *("無", "无", "なし", "不明", "未知", "없음"),
)
"""Words, without their punctuation, that stand where no code is: n/a and N.A. are one of them."""
SHORT = 6
"""A barcode or part number with fewer letters and digits is no proof by itself."""
_SCIENTIFIC = r"^[0-9](?:[.,][0-9]+)?[eE][+]?[0-9]+$"
_ROUNDED = r"^[0-9]{4,9}0{5,}$"
_GTIN = r"^(?:[0-9]{8}|[0-9]{12,14})$"

NO_CODE, RUINED, BAD_CHECK_DIGIT, LOST_ZERO = (
    "means no code",
    "was ruined by a spreadsheet, which wrote it as a rounded number",
    "has a wrong check digit, so it is no GTIN",
    "has lost a zero in front, as spreadsheets take it off",
)


def means_nothing(column: str) -> pl.Expr:
    """Whether a text is a word for nothing, zeros, or punctuation alone; null where it is null."""
    plain = pl.col(column).str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    return (plain == "") | plain.is_in(NOTHING) | (plain.str.strip_chars("0") == "")


def doubt_of(column: str) -> pl.Expr:
    """Return what is wrong with a barcode, null where nothing is; of one that has LOST_ZERO the rest is right."""
    text = pl.col(column).str.strip_chars()
    same = (text.str.strip_chars_start(text.str.slice(0, 1)) == "") & (text.str.len_chars() != 2)
    bad = ~_check_digit_fits(text)
    return (
        pl.when(means_nothing(column) | same)
        .then(pl.lit(NO_CODE))
        .when(text.str.contains(_SCIENTIFIC) | (text.str.contains(_ROUNDED) & text.str.contains(_GTIN)))
        .then(pl.lit(RUINED))
        .when(text.str.contains(_GTIN) & bad)
        .then(pl.lit(BAD_CHECK_DIGIT))
        .when(text.str.contains(r"^[1-9][0-9]{10}$") & ~bad)
        .then(pl.lit(LOST_ZERO))
    )


def barcode_key(column: str) -> pl.Expr:
    """Return a barcode for comparison (see `codes.normal`); null where it tells no item."""
    return pl.when((doubt_of(column) == LOST_ZERO).fill_null(True)).then(normal(column))


def part_key(column: str) -> pl.Expr:
    """Return a part number for comparison (see `codes.normal`); null where it tells no item."""
    text = pl.col(column).str.strip_chars()
    same = text.str.strip_chars_start(text.str.slice(0, 1)) == ""
    return pl.when(~(means_nothing(column) | same | text.str.contains(_SCIENTIFIC))).then(normal(column))


def telling(column: str) -> pl.Expr:
    """Return a code, null where it means nothing or was ruined."""
    ruined = pl.col(column).str.strip_chars().str.contains(_SCIENTIFIC)
    return pl.when(~(means_nothing(column) | ruined)).then(column)


def _check_digit_fits(text: pl.Expr) -> pl.Expr:
    """Whether the last digit is the check digit of a GTIN: weights 3 and 1 from the right, a multiple of ten."""
    padded = text.str.zfill(14)
    digits = (padded.str.slice(at, 1).cast(pl.Int32, strict=False) * (3 if at % 2 == 0 else 1) for at in range(14))
    return pl.sum_horizontal(digits) % 10 == 0


NO_NAME = "reads like a remark, not like a name"
_WORDS_OF_A_REMARK = 4
_REMARK = (
    r"^(?:check(?:ed)?|test|lost|found|missing|mixed up|error|adjust(?:ment)?|sample|damage[sd]?|faulty|broken|smashed)"
    r"[ ?!.]*$|\b(?:damage[sd]?|wrongly|wrong|miscoded|mis-?labelled|thrown away|throw away|unsaleable|"
    r"do not use|don't use|nicht verwenden|gesperrt|falsch|defekt|beschädigt|bruch|ne pas utiliser|abîmé|dañado)\b"
)


def remark_in(column: str) -> pl.Expr:
    """Whether a name is a remark that somebody left where the name stands, such as damages, check or ?."""
    text = pl.col(column).str.to_lowercase().str.strip_chars()
    few_words = text.str.count_matches(r"[\p{L}\p{N}]+") <= _WORDS_OF_A_REMARK
    remark = text.str.contains(r"^\?+") | (text.str.contains(_REMARK) & few_words) | means_nothing(column)
    return remark & (text != "")


_PIECES = ("ea", "each", "pc", "pcs", "pce", "piece", "pieces", "st", "stk", "stck", "stück", "stueck", "un", "und",
           "unit", "units", "nos", "no", "c62", "h87", "szt", "ks", "db", "u", "ud", "pz", "adet", "個")  # fmt: skip


def unit_in_common(column: str) -> pl.Expr:
    """Return a unit as it is compared between systems: pieces are one unit, whatever they are called."""
    plain = pl.col(column).str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    return pl.when(plain.is_in(_PIECES)).then(pl.lit("ea")).when(plain != "").then(plain)


def words_of(column: str) -> pl.Expr:
    """Return the words of a name as they are compared: their first four letters, those of three and more."""
    return (
        pl.col(column).str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]{3,}").list.eval(pl.element().str.slice(0, 4))
    )
