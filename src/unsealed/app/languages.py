"""The catalogues of `texts/`: one file for each language, named by its code and read at the start.

Names of months, days and countries, and how numbers are written, come from the CLDR by way of Babel.
"""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from unsealed.model.texts import ENGLISH, Forms, Languages, Texts

CATALOGUES = Path(__file__).parents[1] / "texts"
COUNTED = range(1_000)  # in which every category of every language comes up


@cache
def languages() -> Languages:
    """English, and all that have a catalogue."""
    found = [read(path) for path in sorted(CATALOGUES.glob("*.po"))]
    return Languages({each.code: each for each in (ENGLISH, *found)})


def read(path: Path) -> Texts:
    """The language of a catalogue. What is not translated in it is said in English."""
    locale = Locale.parse(path.stem, sep="-")
    with path.open("rb") as file:
        catalogue = read_po(file, locale=locale)
    packed = BytesIO()
    write_mo(packed, catalogue)
    packed.seek(0)
    translations = GNUTranslations(packed)
    names = {width: locale.months["format"][width] for width in ("wide", "abbreviated")}
    days = {width: locale.days["format"][width] for width in ("wide", "abbreviated")}
    signs = locale.number_symbols["latn"]
    return Texts(
        code=path.stem,
        name=locale.get_display_name(locale) or path.stem,
        right_to_left=locale.text_direction == "rtl",
        one=translations.gettext,
        within_context=translations.pgettext,
        several=translations.ngettext,
        months=tuple(names["wide"][month] for month in range(1, 13)),
        months_short=tuple(names["abbreviated"][month] for month in range(1, 13)),
        weekdays=tuple(days["wide"][day] for day in range(7)),
        weekdays_short=tuple(days["abbreviated"][day] for day in range(7)),
        thousands=signs["group"],
        point=signs["decimal"],
        territories={code: name for code, name in locale.territories.items() if len(code) == 2},
        scripts=_of_scripts(catalogue, translations, locale),
    )


def _of_scripts(catalogue: Catalog, translations: GNUTranslations, locale: Locale) -> Forms:
    """What the scripts of the pages say; they choose plural forms by the category that browsers know."""
    numbers = {locale.plural_form(number): number for number in reversed(COUNTED)}
    forms: dict[str, str | dict[str, str]] = {}
    for message in catalogue:
        if not any(file.endswith(".js") for file, _ in message.locations):
            continue
        if isinstance(message.id, str):
            forms[message.id] = translations.gettext(message.id)
        else:
            one, more = message.id
            forms[one] = {name: translations.ngettext(one, more, number) for name, number in numbers.items()}
    return forms
