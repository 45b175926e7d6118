from __future__ import annotations

import html as escaping
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.template import VALUE_LETTERS, as_html, fill, left, left_in_html, names, one_line, prefill, values_of
from unsealed.model.errors import BadInput
from unsealed.model.message import Recipient
from unsealed.model.template import Content

INES = {"first_name": "Ines", "last_name": "O'Brien & <Sons>"}
PLACES = [
    "<p>Dear {{first_name}},</p>",
    "<p>Dear {{first_<b>name</b>}},</p>",
    "<p>{<i>{first_name}</i>} and {{ last_name }}</p>",
    '<a title="for {{last_name}}" href="https://x.example/{{first_name}}?q={{last_name}}#{{first_name}}">x</a>',
    "<a title={{last_name}} href='https://x.example/?q={{last_name}}'>x</a>",
    '<img alt="{{first_name|a picture}}" src="https://x.example/{{last_name}}.png">',
    '<a href="mailto:a@x.example?subject={{last_name}}">x</a>',
    "<p>{{first_name|there}} {{last_name|&lt;nobody&gt;}}</p>",
    "{{first_name}}",
]
hostile = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from([*"<>\"'&={}/:; \r\n\t\0", "{{first_name}}", "-->", "</a>", "javascript:", "\u202e", "&lt"]),
        max_size=12,
    ).map("".join),
)


def content(html: str = "", *, subject: str = "", text: str = "") -> Content:
    return Content(subject=subject, html=html, text=text)


def html_of(html: str, **values: str) -> str:
    found = fill(content(html), values)
    assert not found.missing
    return found.content.html


class Shape(HTMLParser):
    """What a browser makes of a text: tags with the names of their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("/" + tag,))

    def handle_comment(self, data: str) -> None:
        self.found.append(("!",))


@given(html=st.sampled_from(PLACES), first=hostile, last=hostile)
def test_no_value_makes_markup_or_another_address(html: str, first: str, last: str) -> None:
    found = fill(content(html), {"first_name": first, "last_name": last})

    assert Shape(html).found == Shape(found.content.html).found
    assert "javascript:" not in escaping.unescape(found.content.html).partition("href")[2].lower()


@given(html=st.sampled_from(PLACES), first=hostile, last=hostile)
def test_filling_what_is_filled_changes_nothing(html: str, first: str, last: str) -> None:
    values = {"first_name": first, "last_name": last}
    once = fill(content(html, subject="{{first_name}}", text="{{last_name}}"), values)

    if not once.missing:
        assert fill(once.content, values) == once
        assert names(once.content) == ()


@given(subject=hostile, text=hostile, before=st.text("ab<>&\"' é\n", max_size=30), value=hostile)
def test_all_but_the_placeholders_stays_byte_for_byte(subject: str, text: str, before: str, value: str) -> None:
    whole = content(f"{before}<p>{{{{name}}}}</p>{before}")
    plain = one_line(value)
    if plain:
        try:
            filled = fill(whole, {"name": value}).content.html
        except BadInput:  # `before` opened a comment or a tag
            return
        assert f"{before}<p>{escaping.escape(plain)}</p>{before}" == filled


@given(value=hostile)
def test_a_subject_stays_one_line(value: str) -> None:
    found = fill(content(subject="Hi {{name}}!"), {"name": value})

    assert found.content.subject.isprintable() or "\u200d" in value or "\u200c" in value
    assert len(found.content.subject.splitlines()) == 1
    assert found.missing == (() if one_line(value) else ("name",))


@pytest.mark.parametrize(
    ("html", "filled"),
    [
        (PLACES[0], "<p>Dear Ines,</p>"),
        (PLACES[1], "<p>Dear Ines<b></b>,</p>"),
        (PLACES[2], "<p>Ines<i></i> and O&#x27;Brien &amp; &lt;Sons&gt;</p>"),
        ("<p>{{&nbsp;First_Name&nbsp;}}</p>", "<p>Ines</p>"),
        (
            '<a href="https://x.example/?n={{last_name}}">',
            '<a href="https://x.example/?n=O%27Brien%20%26%20%3CSons%3E">',
        ),
        ('<a href="mailto:{{email}}?subject=a">', '<a href="mailto:ines@x.example?subject=a">'),
        ('<a href="https://www.{{company}}/x">', '<a href="https://www.x.example/x">'),
        ('<a href="{{link}}">', '<a href="https://x.example/a?b=c&amp;d=%20e">'),
        ("<a href={{link}}>", "<a href=https://x.example/a?b&#61;c&amp;d&#61;%20e>"),
        ("<p>{{nobody|to &amp; fro}}</p>", "<p>to &amp; fro</p>"),
        ("<p title={{nobody|}} class=a>", "<p title=&#32; class=a>"),
        ("<p>{{nobody|}}</p>", "<p></p>"),
        ("<p>{ {not} }} {one}</p>", "<p>{ {not} }} {one}</p>"),
    ],
)
def test_a_placeholder_is_filled_the_way_its_place_is_written(html: str, filled: str) -> None:
    values = INES | {"email": "ines@x.example", "company": "x.example", "link": "https://x.example/a?b=c&d=%20e"}

    assert filled == html_of(html, **values)


@pytest.mark.parametrize(
    "html",
    [
        "<style>p { color: {{color}} }</style>",
        "<script>{{code}}</script>",
        "<title>{{name}}</title>",
        "<!-- {{name}} -->",
        "<!--[if mso]><p>{{name}}</p><![endif]-->",
        '<p style="color: {{color}}">',
        '<p onclick="{{code}}">',
        "<p {{name}}>",
        "<p {{name}}=a>",
        '<img srcset="{{name}} 2x">',
        "<a href=\"javascript:alert('{{name}}')\">",
        '<a href="java{{name}}:alert(1)">',
        '<a href="java&{{name}};alert(1)">',
        '<a href="java\n{{name}}">',
        '<a href="data:text/html,{{name}}">',
        "<p>{{first name}}</p>",
        "<p>{{user.name}}</p>",
        "<p>{{{name}}}</p>",
        "<p>{<b>{{name}}</b></p>",
        "<p>{{ab{{name}}cd}}</p>",
        "<p>{{name</p><p>}}</p>",
        "<p>{{7up}}</p>",
    ],
)
def test_a_placeholder_that_cannot_be_filled_safely_is_refused_with_its_words(html: str) -> None:
    with pytest.raises(BadInput, match=r"“.*\{\{"):
        names(content(html))


@pytest.mark.parametrize(
    ("html", "value"),
    [
        ('<a href="{{v}}">', "javascript:alert(1)"),
        ('<a href="{{v}}">', " JAVA\nSCRIPT:alert(1)"),
        ('<a href="{{v}}">', "//evil.example"),
        ('<a href="{{v}}">', "https://"),
        ('<a href=" {{v}}script:alert(1)">', "java"),
        ('<a href="https://{{v}}/">', "evil.example/@"),
        ('<a href="https://good{{v}}">', "@evil.example"),
        ('<a href="{{v}}{{v}}">', "https://x.example"),
        ('<img src="{{v}}">', "data:image/png;base64,AA"),
    ],
)
def test_a_value_never_decides_what_kind_of_address_a_link_has(html: str, value: str) -> None:
    with pytest.raises(BadInput, match=r"^\{\{v\}\}: a link "):
        fill(content(html), {"v": value})


def test_nothing_is_filled_when_anything_is_missing() -> None:
    whole = content("<p>{{first_name}} {{Company}}</p>", subject="{{company}}, {{phone}}", text="{{last_name}}")

    found = fill(whole, INES | {"phone": " \n\t"})

    assert (found.content, found.missing) == (whole, ("company", "phone"))
    assert ("company", "phone", "first_name", "last_name") == names(whole)


def test_who_goes_on_writing_gets_what_is_known_and_the_rest_to_complete() -> None:
    whole = content("<p>{{first_name}} {{phone}} {{x|y}}</p>", subject="{{phone}}")

    found = prefill(whole, INES | {"phone": " "})

    assert (content("<p>Ines {{phone}} y</p>", subject="{{phone}}"), ("phone",)) == (found.content, found.missing)
    assert fill(whole, INES | {"phone": "1"}) == prefill(whole, INES | {"phone": "1"})
    assert ("phone",) == left(found.content.subject, found.content.html)


def test_what_is_left_is_named_once() -> None:
    assert ("first_name", "x") == left("Hi {{ First_Name }}", "{{x|y}} {{first_name}} {{ not this }} {x}")
    assert () == left("{{", "}}", "{{}}", "")
    html = '<p>{{first_<b>name</b>}}</p><a href="https://x/{{link}}">{{user.name}}</a><!-- {{seen}} -->'
    assert ("first_name", "link", "seen") == left_in_html(html)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ines Marchetti", "Ines", "Marchetti"),
        ("Dr. Ines Maria Marchetti", "Ines", "Maria Marchetti"),
        ("Marchetti, Ines", "Ines", "Marchetti"),
        ("Ines", "Ines", None),
        ("Dr.", "Dr.", None),
        ("ines@x.example", None, None),
        ("", None, None),
        ("  \r\n", None, None),
    ],
)
def test_names_are_taken_from_what_is_known_and_never_guessed(name: str, first: str | None, last: str | None) -> None:
    found = values_of(Recipient(address="ines@Harbour.example", name=name), sender_name="Mara")

    assert (first, last) == (found.get("first_name"), found.get("last_name"))
    assert ("ines@Harbour.example", "harbour.example", "Mara") == (
        found["email"],
        found["company"],
        found["sender_name"],
    )
    assert "" not in found.values()


def test_a_provider_of_mailboxes_is_no_company() -> None:
    assert "company" not in values_of(Recipient(address="ines@gmail.com"))
    assert {"sender_email": "m@x.example"} == values_of(None, sender_email="m@x.example")


def test_values_are_cut_and_made_one_line() -> None:
    assert "a b" == one_line("a\r\n\0b\u202e")
    assert VALUE_LETTERS == len(one_line("x" * 10_000))


def test_a_hostile_text_is_read_in_linear_time() -> None:
    for piece in ("{{", "{{a|", "{<b>", "<p {{", "{{ ", "<!--{{"):
        html = piece * 20_000
        left_in_html(html)
        with pytest.raises(BadInput):
            names(content(html + "{{"))


def test_what_was_written_as_text_is_shown_as_html() -> None:
    assert "<p>a &lt;b&gt;<br>c</p><p>{{name}}</p>" == as_html(content(text="\na <b>\nc\n\n\n{{name}}\n"))
    assert "<p>x</p>" == as_html(content("<p>x</p>", text="y"))
    assert "" == as_html(content())
