from __future__ import annotations

from tests.unit.inlets.web.rows import NOW, SAID, before

from unsealed.inlets.web.evidence import Chip
from unsealed.inlets.web.files import static
from unsealed.inlets.web.marks import ago, chip, glyph, icon, mark, moment
from unsealed.inlets.web.states import Mark

HOSTILE = "\"'><script>&"
HARMLESS = "&#34;&#39;&gt;&lt;script&gt;&amp;"


def test_an_icon_says_nothing_to_who_cannot_see_it() -> None:
    seal = f'<svg class="icon" aria-hidden="true"><use href="{static("icons.svg")}#seal"/></svg>'

    assert seal == icon("seal")
    assert seal.replace('"icon"', '"icon s"') == icon("seal", "s")
    assert seal.replace(' class="icon"', "") == glyph("seal")


def test_a_mark_says_what_it_stands_for_to_who_points_at_it() -> None:
    assert f'<span class="mark sent">{glyph("tick")}</span>' == mark(Mark(kind="sent", symbol="tick"))
    hinted = Mark(kind="opened", symbol="ticks", number="3", hint="Opened")
    assert f'<span class="mark opened line" title="Opened">{glyph("ticks")}<b>3</b></span>' == mark(hinted, line=True)


def test_a_number_under_a_mark_says_what_it_counts_to_who_is_read_to() -> None:
    said = mark(Mark(kind="opened", symbol="ticks", number="2", said="Opened twice"))

    assert f'{glyph("ticks")}<span class="vh">Opened twice, </span><b aria-hidden="true">2</b></span>' in said
    assert HARMLESS in mark(Mark(kind="opened", symbol="ticks", number="2", said=HOSTILE))


def test_moments_are_exact_for_who_points_at_them() -> None:
    exact = 'datetime="2026-03-12T14:21:00+00:00" title="Thu 12 Mar 2026, 14:21:00 UTC"'

    assert f"<time {exact}>now</time>" == moment(NOW, SAID, "now")
    assert f'<time {exact} data-ago="last %(ago)s">just now</time>' == ago(NOW, SAID, "last %(ago)s")
    assert ">last 2 h ago</time>" in ago(before(hours=2), SAID, "last %(ago)s")


def test_a_chip_shows_that_it_opens_something() -> None:
    assert '<span class="chip">machine</span>' == chip(Chip("machine"))
    assert f'<span class="chip apart">open{icon("chevron", "s")}</span>' == chip(Chip("open", "apart"), opens=True)


def test_words_of_strangers_are_escaped() -> None:
    hostile = Mark(kind="opened", symbol="ticks", number=HOSTILE, hint=HOSTILE)
    made = (mark(hostile), ago(NOW, SAID, HOSTILE), moment(NOW, SAID, HOSTILE), chip(Chip(HOSTILE)))

    assert [2, 1, 1, 1] == [part.count(HARMLESS) for part in made]
    assert not any("<script" in part for part in made)
