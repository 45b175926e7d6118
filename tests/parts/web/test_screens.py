"""The screens in a real browser: sizes, themes, contrast, keys, live changes, and no scripts at all.

`UNSEALED_TEST_SHOTS=folder` keeps a picture of every screen in every size and theme.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, delete, update
from tests.parts import many_letters

from unsealed.flow import rejudge
from unsealed.inlets.web import message, paste, template
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.store import proofs, schema
from unsealed.store.feed import Change, add_feed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Mail = dict[str, MessageId]
MARA = UserId(0x5E9D_0000_0000_0001)
NOW = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
SIZES = {"desk": (1440, 900), "middle": (1024, 768), "phone": (390, 844), "small": (320, 640)}

# Text against the nearest painted ground; large text (24 px, or 18.7 px and bold) needs 3:1. WCAG 1.4.3
CONTRAST = """() => {
  const parse = (said) => { const n = said.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const linear = (v) => v <= 10.02 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const ground = (each) => {
    for (; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent.trim());
    const words = own.join(" ").trim();
    if (!words || !each.checkVisibility({ visibilityProperty: true }) || each.closest(".vh, svg, option")) continue;
    const style = getComputedStyle(each), size = parseFloat(style.fontSize);
    const [a, b] = [light(parse(style.color)), light(ground(each))].sort((x, y) => y - x);
    const needed = size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5;
    if ((a + .05) / (b + .05) < needed) poor.push(`${words.slice(0, 40)}: ${((a + .05) / (b + .05)).toFixed(2)}`);
  }
  return poor;
}"""
# WCAG 2.5.8: 24 by 24 px. Links inside a sentence are excepted; a box or switch is pressed through its label.
SMALL_TARGETS = """() => {
  const pressed = "button, summary, select, input:not([type=hidden], .switch, .box), nav a, a.row, a.button, a.pill";
  return [...document.querySelectorAll(pressed)]
    .filter((each) => each.checkVisibility() && !each.closest(".field, .vh"))
    .filter((each) => { const box = each.getBoundingClientRect(); return box.width < 24 || box.height < 24; })
    .map((each) => `${each.tagName} ${each.textContent.trim().slice(0, 30)}`);
}"""
SIDEWAYS = """() => [...document.querySelectorAll("html, body, .main, .pane, .sandbox > *, .page")]
  .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth)
  .map((each) => `${each.tagName}.${each.className}: ${each.scrollWidth} > ${each.clientWidth}`)"""
NAMELESS = """() => {
  const named = (each) =>
    each.textContent.trim() || each.getAttribute("aria-label") || each.title || each.labels?.length;
  return [...document.querySelectorAll("button, a, input:not([type=hidden]), select, summary, iframe")]
    .filter((each) => each.checkVisibility() && !named(each))
    .map((each) => each.outerHTML.slice(0, 80));
}"""


# Hints in fields that are wider than their field. A field for searching keeps room for the button that empties it.
CUT_HINTS = """() => {
  const pen = document.createElement("canvas").getContext("2d");
  return [...document.querySelectorAll("input[placeholder]")].filter((each) => {
    const style = getComputedStyle(each);
    pen.font = style.font;
    const button = each.type === "search" ? parseFloat(style.fontSize) : 0;
    return each.checkVisibility() && pen.measureText(each.placeholder).width + button > each.clientWidth;
  }).map((each) => each.placeholder);
}"""


@pytest.fixture
def visit(
    chromium: Browser, served: Any, engine: Engine, clock: Callable[[], datetime]
) -> Iterator[Callable[..., Page]]:
    """`visit("/sent", size="phone", theme="dark")`: that page in Mara's browser. It must end without an error."""
    troubles: list[str] = []
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, MARA, "127.0.0.1", "test", clock())

    def note(said: str) -> None:
        if "status of 404" not in said:  # a missing page is missing
            troubles.append(said)

    def go(
        path: str, *, size: str = "desk", theme: Any = "light", scripts: bool = True, locale: str | None = None
    ) -> Page:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            timezone_id="UTC",
            locale=locale,
            java_script_enabled=scripts,
        )
        context.add_cookies([{"name": "unsealed", "value": cookie, "url": served.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: note(str(error)))
        page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
        page.goto(served.url + path)
        return page

    yield go
    for context in chromium.contexts:
        context.close()
    assert troubles == []


def screens(mail: Mail) -> dict[str, str]:
    return {
        "sent": f"/sent?m={public_id(mail['proposal'])}",
        "list": "/sent",
        "nothing": "/sent?q=zzz",
        "message": f"/message/{public_id(mail['proposal'])}",
        "hostile": f"/message/{public_id(mail['hostile'])}",
        "contacts": "/contacts",
        "contact": "/contacts/ines@harbourline.example",
        "thread": f"/thread/{public_id(mail['proposal'])}",
        "sandbox": "/sandbox",
        "access": "/settings/access",
        "identities": "/settings/identities",
        "people": "/settings/people",
        "notices": "/settings/notifications",
        "devices": "/settings/devices",
        "judging": "/settings/judging",
        "data": "/settings/data",
        "requests": f"/message/{public_id(mail['proposal'])}?show=raw",
        "missing": "/message/0000000000000000",
        "write": "/compose",
        "reply": f"/compose?reply_all={public_id(mail['proposal'])}",
        "drafts": "/drafts",
    }


@pytest.mark.parametrize(
    ("size", "theme"), [("desk", "light"), ("desk", "dark"), ("middle", "light"), ("phone", "dark"), ("small", "light")]
)
def test_every_screen_fits_and_can_be_read(visit: Callable[..., Page], mail: Mail, size: str, theme: str) -> None:
    page = visit("/sent", size=size, theme=theme)
    root = page.url.removesuffix("/sent")
    for name, path in screens(mail).items():
        page.goto(root + path)
        if path.startswith("/compose"):
            page.locator("#letter").wait_for()
        if name == "sandbox":
            page.goto(root + str(page.locator(".copies a.row").first.get_attribute("href")))
        for fold in page.locator(".fold > summary, .line summary >> nth=0").all():
            if fold.is_visible():
                fold.click()
        shoot(page, f"{name}-{size}-{theme}")

        assert page.evaluate(SIDEWAYS) == [], f"{name} scrolls sideways"
        assert page.evaluate(CONTRAST) == [], name
        assert page.evaluate(SMALL_TARGETS) == [], name
        assert page.evaluate(NAMELESS) == [], name
        assert page.locator("h1:visible").count() >= 1, name


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("size", ["phone", "small"])
def test_the_hint_of_a_search_is_never_cut(visit: Callable[..., Page], mail: Mail, size: str, locale: str) -> None:
    for path in ("/sent", "/contacts"):
        page = visit(path, size=size, locale=locale)
        assert page.evaluate(CUT_HINTS) == []
        page.locator(".hinted").evaluate("(each) => { each.style.inlineSize = '5rem'; each.style.flex = 'none'; }")
        assert len(page.evaluate(CUT_HINTS)) == 1  # the measure sees it


def test_the_measure_of_contrast_sees_what_is_too_faint(visit: Callable[..., Page]) -> None:
    page = visit("/sent")

    page.evaluate("document.querySelector('#t').style.color = '#999'")

    assert [each.split(":")[0] for each in page.evaluate(CONTRAST)] == ["Sent"]


def shoot(page: Page, name: str) -> None:
    if folder := os.environ.get("UNSEALED_TEST_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png")


def test_a_change_shows_in_place_and_a_new_message_waits_in_the_pill(
    visit: Callable[..., Page], mail: Mail, engine: Engine
) -> None:
    page = visit("/sent?q=weidner")
    row = page.locator(f'li[data-message="{public_id(mail["silent"])}"]')
    row.get_by_text("No signal").wait_for()
    page.get_by_text("Live", exact=True).wait_for()

    with engine.begin() as connection:
        for table, key in ((schema.messages, schema.messages.c.id), (schema.copies, schema.copies.c.message_id)):
            connection.execute(update(table).where(key == mail["silent"]).values(opens=1, raw=1, last_at=NOW))
        add_feed(connection, [Change(user=MARA, message=mail["silent"], what="human_open", at=NOW)])
        add_feed(connection, [Change(user=MARA, message=mail["often"], what="human_open", at=NOW)])

    row.locator(".mark.opened b").wait_for()
    assert row.locator(".mark.opened b").inner_text() == "1"
    assert row.locator("a").get_attribute("aria-current") == "true"
    page.locator("#detail").get_by_text("Opened", exact=True).wait_for()
    page.get_by_text("1 new", exact=True).wait_for()
    assert page.locator("#rows > li").count() == 1


def test_a_paused_page_stays_as_it_is_and_says_so(visit: Callable[..., Page], mail: Mail, engine: Engine) -> None:
    page = visit("/sent?q=weidner")
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_role("button", name="Pause live updates").click()
    page.get_by_text("Paused", exact=True).wait_for()
    with engine.begin() as connection:
        add_feed(connection, [Change(user=MARA, message=mail["often"], what="human_open", at=NOW)])

    page.get_by_role("button", name="Go on with live updates").click()

    page.get_by_text("1 new", exact=True).wait_for()  # what happened meanwhile comes now


def test_the_keys_move_open_search_and_never_fire_in_a_field(visit: Callable[..., Page], mail: Mail) -> None:
    page = visit("/sent")
    page.get_by_text("Live", exact=True).wait_for()

    page.keyboard.press("j")
    page.locator("#detail h1", has_text="Sample shipment, second pallet").wait_for()
    page.keyboard.press("k")
    page.locator("#detail h1", has_text="Minutes of the steering meeting").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("jk?")
    assert page.locator("[name=q]").input_value() == "jk?"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.locator("dialog[open]").wait_for()
    page.get_by_role("switch", name="Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.locator("#detail h1").inner_text() == "Minutes of the steering meeting"


def test_an_earlier_key_does_not_part_two_keys_that_belong_together(visit: Callable[..., Page], mail: Mail) -> None:
    page = visit("/settings/access")
    page.clock.install()
    page.reload()

    page.keyboard.press("x")
    page.clock.run_for(1_100)
    page.keyboard.press("g")
    page.clock.run_for(300)
    page.keyboard.press("s")

    page.wait_for_url("**/sent")


def test_over_its_marks_a_row_tells_each_recipients_state(visit: Callable[..., Page], mail: Mail) -> None:
    page = visit("/sent")
    row = page.locator(".rows > li", has_text="Harbourline")

    row.locator(".pick-row").hover()
    row.locator(".card").get_by_text("Loaded by a machine").wait_for()

    assert row.locator(".card li").count() == 3
    page.keyboard.press("Escape")
    assert page.locator(".card").count() == 0


def test_everything_works_without_scripts(visit: Callable[..., Page], mail: Mail) -> None:
    from playwright.sync_api import expect

    page = visit("/sent", scripts=False)

    page.locator(".row", has_text="Harbourline").click()
    expect(page.locator("#detail h1")).to_have_text("Proposal for the Harbourline depots")
    page.locator("#detail summary.event").first.click()
    assert page.locator("#detail .why").first.is_visible()
    page.get_by_role("link", name="Clicks 2").click()
    expect(page.locator("#detail [data-region=history] .event")).to_have_count(2)
    page.locator("#list summary", has_text="Any state").click()
    page.get_by_role("link", name="Bounced", exact=True).click()
    expect(page.locator("#rows > li")).to_have_count(2)
    assert not page.get_by_text("Live", exact=True).is_visible()


def test_what_is_judged_again_shows_in_place_and_is_no_news(
    visit: Callable[..., Page], mail: Mail, engine: Engine
) -> None:
    page = visit("/sent?q=weidner")
    row = page.locator(f'li[data-message="{public_id(mail["silent"])}"]')
    page.get_by_text("Live", exact=True).wait_for()

    for what in ("rejudged", "human_open"):
        with engine.begin() as connection:
            opens = 1 if what == "rejudged" else 2
            for table, key in ((schema.messages, schema.messages.c.id), (schema.copies, schema.copies.c.message_id)):
                connection.execute(update(table).where(key == mail["silent"]).values(opens=opens, raw=2, last_at=NOW))
            for each in ("silent", "often") if what == "rejudged" else ("silent",):
                add_feed(connection, [Change(user=MARA, message=mail[each], what=what, at=NOW)])
        row.locator(".mark.opened b").get_by_text(str(opens)).wait_for()
        if what == "rejudged":
            assert page.locator("[data-said]").text_content() == ""
            assert not page.locator("[data-news]").is_visible()

    page.locator("[data-said]").get_by_text("1 message changed").wait_for(state="attached")


@pytest.mark.parametrize("scripts", [False, True])
def test_a_correction_is_made_explained_and_undone_where_the_event_stands(
    visit: Callable[..., Page], mail: Mail, monkeypatch: pytest.MonkeyPatch, scripts: bool
) -> None:
    monkeypatch.setattr(message, "LOOKS", 0)  # nobody judges here
    page = visit(f"/sent?m={public_id(mail['proposal'])}", scripts=scripts)
    page.locator("#detail summary.event").first.click()

    page.locator("#detail").get_by_role("button", name="That was me").first.click()
    said = page.locator("#detail .why .said")
    said.wait_for()

    assert "Remembered: Thunderbird on Linux, 203.0.113.0/24 is you." in said.inner_text()
    assert said.evaluate("each => each.getBoundingClientRect().top < innerHeight")
    said.get_by_role("button", name="Undo").click()
    page.get_by_text("Taken back:").wait_for()
    assert page.locator("#detail .why .said button").count() == 0


def test_a_page_says_when_judging_again_has_ended_also_when_nothing_changed(
    visit: Callable[..., Page], mail: Mail, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(message, "LOOKS", 0)  # the judge takes longer than the page waits
    page = visit(f"/sent?m={public_id(mail['proposal'])}")
    page.locator("#detail summary.event").first.click()
    page.locator("#detail").get_by_role("button", name="That was me").first.click()
    said = page.locator("#detail .why .said")
    said.get_by_text("Judging again; what changes shows here.").wait_for()

    with engine.begin() as connection:
        connection.execute(delete(schema.marks))  # judged, and nothing was called anything else
    while rejudge.step(engine, NOW):
        with engine.begin() as connection:
            connection.execute(delete(schema.marks))

    said.get_by_text("0 events changed.").wait_for()
    assert "Judging again" not in said.inner_text()


def test_a_phone_shows_one_pane_and_leads_back(visit: Callable[..., Page], mail: Mail) -> None:
    page = visit("/sent", size="phone")
    assert not page.locator("#detail").is_visible()

    page.locator(".row", has_text="Harbourline").click()
    page.locator("#detail h1").wait_for()
    assert not page.locator("#list").is_visible()
    page.locator("#detail").get_by_role("link", name="Sent", exact=True).click()
    page.locator("#list h1").wait_for()


def test_going_back_leads_to_the_same_place(
    visit: Callable[..., Page], mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    """How far the list was scrolled, and which row was opened; by the browser's button and by the page's own."""
    with engine.begin() as connection:
        many_letters.write(connection, MARA, clock(), letters=60)
    scrolled = "() => document.querySelector('#list').scrollTop"
    page = visit("/sent?sort=sent", size="phone")
    ways: list[Callable[[], object]] = [page.go_back, page.locator("#detail [data-back]").click]
    for way in ways:
        page.goto(page.url)  # an entry of its own
        row = page.locator("#rows .row").nth(30)
        row.scroll_into_view_if_needed()
        far = page.evaluate(scrolled)
        row.click()
        page.wait_for_url("**/sent?*m=*")
        page.locator("#detail h1").wait_for()
        way()
        page.wait_for_url("**/sent?sort=sent")
        page.wait_for_function("() => document.activeElement.matches('.row')")
        assert far > 500
        assert row.evaluate("(it) => it === document.activeElement")
        assert abs(far - page.evaluate(scrolled)) < 3

    # Beside the list on a desk: each letter that was looked at is a step.
    page = visit("/sent?sort=sent")
    rows = page.locator("#rows .row")
    for number in (25, 28):
        rows.nth(number).click()
        page.wait_for_function("(it) => it.hasAttribute('aria-current')", arg=rows.nth(number).element_handle())
    far = page.evaluate(scrolled)
    page.get_by_role("link", name="Contacts", exact=True).click()
    page.wait_for_url("**/contacts")
    page.go_back()
    page.wait_for_url("**/sent?*m=*")
    page.wait_for_function("(far) => Math.abs(document.querySelector('#list')?.scrollTop - far) < 3", arg=far)
    assert far > 500
    assert rows.nth(28).get_attribute("aria-current")


def test_the_page_of_a_letter_leads_back_to_the_filtered_list_after_its_tabs(
    visit: Callable[..., Page], mail: Mail
) -> None:
    page = visit("/sent?state=clicked&sort=sent", size="phone")
    page.locator(".row", has_text="Harbourline").click()
    page.get_by_role("link", name="Open in full").click()
    page.wait_for_url("**/message/**")
    for tab, which in (("Opens", "opens"), ("Clicks", "clicks")):
        page.locator(".tabs").get_by_role("link", name=tab).click()
        page.wait_for_url(f"**/message/**show={which}**")
    page.locator("[data-back]").click()
    page.wait_for_url(f"**/sent?state=clicked&sort=sent&m={public_id(mail['proposal'])}")
    page.locator("#detail [data-back]").click()
    page.wait_for_url("**/sent?state=clicked&sort=sent")
    page.locator("#list h1").wait_for()


def test_the_icons_are_drawn(visit: Callable[..., Page]) -> None:
    page = visit("/sent")
    drawn = page.evaluate("[...document.querySelectorAll('.row .mark svg')].every((each) => each.getBBox().width > 5)")

    assert drawn


def test_on_a_phone_the_pages_of_the_settings_fold_into_one_list(visit: Callable[..., Page], mail: Mail) -> None:
    page = visit("/settings/devices", size="phone")
    parts = page.get_by_role("navigation", name="Settings")
    assert parts.get_by_role("link").count() == 0  # neither the tabs nor the list, before it is opened

    here = parts.locator("summary")
    assert here.inner_text() == "Your devices"
    here.focus()
    page.keyboard.press("Enter")
    links = parts.get_by_role("link")
    links.first.wait_for()
    assert links.count() == 11
    assert parts.locator("[aria-current=page]:visible").all_inner_texts() == ["Your devices"]
    page.keyboard.press("Escape")
    links.first.wait_for(state="hidden")
    assert here.evaluate("each => each === document.activeElement")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.wait_for_url("**/settings/access")
    page.set_viewport_size({"width": 1280, "height": 860})
    assert parts.get_by_role("link").count() == 11  # the tabs
    assert not here.is_visible()


def test_what_stands_in_a_column_of_opened_ends_where_its_head_ends(visit: Callable[..., Page], mail: Mail) -> None:
    page = visit("/opened")
    ends = """(cells) => cells.map((each) => {
      const range = document.createRange();
      range.selectNodeContents(each.querySelector(".in-column, .n > time") || each.firstChild);
      const box = range.getBoundingClientRect();
      return [box.right, Math.round((box.top + box.bottom) / 2)];
    })"""
    heads = page.locator(".opn-head > .n").evaluate_all(ends)
    cells = page.locator(".opn").first.locator("> .n").evaluate_all(ends)

    assert [right for right, _ in heads] == pytest.approx([right for right, _ in cells], abs=1)
    assert len({middle for _, middle in cells}) == 1


def test_marks_and_devices_stand_under_each_other_whatever_else_a_row_says(
    visit: Callable[..., Page], mail: Mail
) -> None:
    lefts = "(all) => [...new Set(all.map((each) => Math.round(each.getBoundingClientRect().left)))]"
    page = visit("/activity")
    assert {"person", "through a proxy"} <= set(page.locator(".act .kind").all_inner_texts())
    assert 1 == len(page.locator(".act .dev:not(:empty)").evaluate_all(lefts))

    opened, contacts = (visit(path).locator(".row > .mark").evaluate_all(lefts) for path in ("/opened", "/contacts"))
    assert opened == contacts


@pytest.mark.parametrize("size", ["phone", "small"])
def test_on_a_phone_a_browser_is_named_in_full_with_where_and_when_it_was_seen(
    visit: Callable[..., Page], mail: Mail, size: str
) -> None:
    page = visit("/settings/access", size=size)
    row = page.get_by_role("region", name="Signed-in browsers").locator("tbody tr").first
    cut = "(row) => [...row.querySelectorAll('th *, td')].some((it) => it.scrollWidth > it.clientWidth)"
    said = "(row) => [...row.querySelectorAll('[data-of]')].map((it) => getComputedStyle(it, '::before').content)"
    where, when = row.evaluate(said)

    assert row.evaluate("(row) => row.querySelector('.text').getClientRects().length") == 1
    assert "Seen from" in where
    assert "Last seen" in when
    assert not row.evaluate(cut)


@pytest.mark.parametrize(("path", "holds"), [("/paste", paste), ("/templates/new", template)])
def test_what_a_form_is_too_small_for_is_said_in_the_page_and_stays_there(
    visit: Callable[..., Page], mail: Mail, monkeypatch: pytest.MonkeyPatch, path: str, holds: Any
) -> None:
    monkeypatch.setattr(holds, "LARGE_BYTES_MAX", 20 * 1024)
    page = visit(path)
    html, form = page.locator("textarea[name=html]"), page.locator("form[data-most]")
    too_much = "ä" * 10_000  # fewer letters than the form may have bytes, but each is sent as six
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    for name in form.locator("[name=name], [name=to]").all():
        name.fill("ines@x.example")

    html.fill(too_much)
    form.locator("button.primary").click()

    assert "20 kB is the most that this form takes" in html.evaluate("each => each.validationMessage")
    assert html.evaluate("each => each === document.activeElement")
    assert html.input_value() == too_much
    assert "POST" not in asked

    html.fill("<p>Hello</p>")
    form.locator("button.primary").click()

    page.get_by_role("heading", name="ines@x.example" if holds is template else "Tracked HTML", exact=True).wait_for()
