from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core import clean
from unsealed.core.plain_text import text_of
from unsealed.model.errors import BadInput


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two<br>lines</p>", "One\n\nTwo\nlines"),
        ('<p>See <a href="https://a.example/x?a=1&amp;b=2">our <b>offer</b></a>.</p>',
         "See our offer <https://a.example/x?a=1&b=2>."),
        ('<a href="https://a.example/">https://a.example/</a>', "https://a.example/"),
        ('<a href="https://a.example/">a.example</a>', "https://a.example/"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="https://a.example"><img src="cid:x" alt="Logo"></a>', "[Logo] <https://a.example>"),
        ('<a href="#top">up</a>', "up"),
        ("<ul><li>one</li><li>two<ul><li>deep</li></ul></li></ul><p>after</p>", "- one\n- two\n  - deep\n\nafter"),
        ("<ol start=3><li>three</li><li>four</li></ol>", "3. three\n4. four"),
        ("<p>a</p><blockquote><p>b</p><p>c</p><blockquote>d</blockquote></blockquote><p>e</p>",
         "a\n\n> b\n>\n> c\n>\n> > d\n\ne"),
        ("<pre>a  b\n   c</pre>", "a  b\n   c"),
        ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", "A\tB\n1\t2"),
        ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
        ("<p>a<script>x</script><style>y</style></p>", "a"),
        ("a &lt;b&gt; &amp; &copy;", "a <b> & ©"),
        ("<p>a\n\t b</p>", "a b"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_text_reads_like_the_html(html: str, text: str) -> None:
    assert text == text_of(html)


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
HTML = st.recursive(
    WORDS.map(lambda words: f" {words} "),
    lambda inner: st.builds(
        lambda tag, pieces: f"<{tag}>{''.join(pieces)}</{tag}>",
        st.sampled_from("p div b ul ol li blockquote pre table tr td h1 a".split()),
        st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)


@given(HTML)
def test_no_word_is_lost(html: str) -> None:
    try:
        cleaned = clean.from_letter(html, clean.no_picture)
    except BadInput:
        return
    spoken = "".join(letter for letter in cleaned_words(cleaned) if letter.isalnum())
    text = "".join(letter for letter in text_of(cleaned) if letter.isalnum())

    if "<ol>" not in html:  # whose numbers are in the text alone
        assert spoken == text


def cleaned_words(html: str) -> str:
    pieces, inside = [], False
    for letter in html:
        inside = (inside or letter == "<") and letter != ">"
        if not inside and letter != ">":
            pieces.append(letter)
    return "".join(pieces)
