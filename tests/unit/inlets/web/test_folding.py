from __future__ import annotations

from collections.abc import Callable

import pytest
from jinja2 import DictLoader, Environment, StrictUndefined, UndefinedError
from markupsafe import Markup

from unsealed.inlets.web.folding import FOLDED, FoldingEnvironment

HOSTILE = "<script>alert('\"&')</script>"
PAGE = """\
{% from "parts" import shout, mean with context %}
{{ say("A & B") }} {{ say("Now: %(name)s", name=who) }} {{ say("%(n)s", n="<") }} {{ icon("seal") }} {{ who }} {{ 3 }}
{% trans %}<b>Bold</b>{% endtrans %} {% trans name=who %}<i>{{ name }}</i>{% endtrans %}
{% for each in [who, icon("seal"), none] %}{{ loop.index }}{{ shout(each) }}{{ mean(each, sign="?") }}{% endfor %}
{{ icon("a" if who else "b") }} {{ say(*["x"]) }} {{ shout(**{"it": who}) }} {{ who | e }} {{ {"a": who}.a }}
{% call(it) framed() %}{{ it }}{{ who }}{% endcall %}
"""
PARTS = """\
{% macro shout(it) %}<b>{{ it }}!</b>{% endmacro %}
{% macro mean(it, sign="") %}{{ shout(it) }}{{ sign }}{{ who }}{% endmacro %}
"""
FRAMED = "{% macro framed() %}<p>{{ caller('<') }}</p>{% endmacro %}\n"


def prepared(made: Environment, count: Callable[[str], None] = lambda name: None) -> Environment:
    def say(sentence: str, **values: object) -> str:
        count("say")
        return sentence % values

    def gettext(sentence: str, **values: object) -> Markup:
        return Markup(sentence) % values

    def icon(name: str) -> Markup:
        count("icon")
        return Markup(f"<svg>{name}</svg>")

    made.globals.update(dict.fromkeys(FOLDED, say))
    made.globals.update(say=say, gettext=gettext, icon=icon)
    return made


def environment(kind: type[Environment] = FoldingEnvironment, **more: str) -> Environment:
    made = kind(
        loader=DictLoader({"page": FRAMED + PAGE, "parts": PARTS, **more}),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    made.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's
    return made


@pytest.mark.parametrize("who", ["Mara", HOSTILE, "", Markup("<b>"), 7, 0.5, None])
def test_a_page_is_what_jinja_alone_makes_of_it(who: object) -> None:
    folded, plain = prepared(environment()), prepared(environment(Environment))

    assert plain.get_template("page").render(who=who) == folded.get_template("page").render(who=who)


def test_what_is_said_the_same_each_time_is_asked_for_once() -> None:
    asked: list[str] = []
    made = prepared(environment(once='{{ say("A") }}{{ icon("a") }}{{ say(who) }}'), asked.append)
    page = made.get_template("once")

    assert ["A<svg>a</svg>x", "A<svg>a</svg>&lt;"] == [page.render(who=who) for who in ("x", "<")]
    assert ["say", "icon", "say", "say"] == asked


def test_text_of_strangers_is_escaped_wherever_it_stands() -> None:
    page = prepared(environment()).get_template("page").render(who=HOSTILE)

    assert "<script" not in page
    assert 12 == page.count("&lt;script&gt;")


def test_what_is_not_there_is_an_error() -> None:
    made = prepared(environment(absent="{{ nobody }}", uncalled="{{ nobody() }}", part="{{ who.nobody }}"))

    for name in ("absent", "uncalled", "part"):
        with pytest.raises(UndefinedError):
            made.get_template(name).render(who="x")
