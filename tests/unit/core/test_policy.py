from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.app.languages import languages
from unsealed.core.policy import (
    Ceiling,
    Standing,
    ceiling,
    clean_domain,
    clean_mailbox,
    for_recipient,
    installation,
    names_of,
    refusals,
    rule_of,
    standing,
)
from unsealed.model.errors import BadInput, told
from unsealed.model.policy import Level, LinkScope, Place, Rule, Scope, Switches

LEVELS = [None, *Level]
levels = st.sampled_from(LEVELS)
rules = st.builds(
    Rule,
    scope=st.sampled_from(Scope),
    name=st.sampled_from(["", "a.example", "b.example"]),
    opens=levels,
    clicks=levels,
)
places = st.builds(
    Place,
    limit=rules,
    opens=levels,
    clicks=levels,
    opens_may_change=st.booleans(),
    clicks_may_change=st.booleans(),
    strict=st.booleans(),
)


def lowest(said: list[Level | None]) -> Level:
    return min((level for level in said if level is not None), default=Level.FULL)


def test_all_combinations_of_four_places_give_the_lowest_level_on_each_axis() -> None:
    scopes = [Scope.INSTALLATION, Scope.ACCOUNT, Scope.RECIPIENT, Scope.MESSAGE]
    for opens in product(LEVELS, repeat=4):
        clicks = tuple(reversed(opens))
        found = ceiling(
            Rule(scope=scope, opens=one, clicks=other) for scope, one, other in zip(scopes, opens, clicks, strict=True)
        )

        assert (found.opens, found.clicks) == (lowest(list(opens)), lowest(list(clicks)))
        assert (found.opens_by is None) == (set(opens) == {None})


@given(st.lists(rules, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rules_changes_nothing(said: list[Rule], random: object) -> None:
    shuffled = list(said)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert ceiling(shuffled) == ceiling(said)


@given(st.lists(rules, max_size=8), rules)
def test_one_more_rule_never_raises_a_level(said: list[Rule], more: Rule) -> None:
    before, after = ceiling(said), ceiling([*said, more])

    assert after.opens <= before.opens
    assert after.clicks <= before.clicks


@given(st.lists(rules, max_size=8))
def test_who_is_named_set_the_limit(said: list[Rule]) -> None:
    found = ceiling(said)

    assert found.opens_by is None or (found.opens_by in said and found.opens_by.opens == found.opens)
    assert found.clicks_by is None or (found.clicks_by in said and found.clicks_by.clicks == found.clicks)


@given(st.lists(places, max_size=8), st.data())
def test_what_is_said_about_clicks_says_nothing_about_opens(said: list[Place], data: st.DataObject) -> None:
    other = [
        Place(
            limit=Rule(scope=each.limit.scope, name=each.limit.name, opens=each.limit.opens, clicks=data.draw(levels)),
            opens=each.opens,
            clicks=data.draw(levels),
            opens_may_change=each.opens_may_change,
            clicks_may_change=data.draw(st.booleans()),
        )
        for each in said
    ]

    assert standing(other).opens == standing(said).opens
    assert standing(other).ceiling.opens == standing(said).ceiling.opens


@given(st.lists(places, max_size=8))
def test_a_default_never_passes_the_ceiling(said: list[Place]) -> None:
    found = standing(said)

    assert found.opens <= found.ceiling.opens
    assert found.clicks <= found.ceiling.clicks


@given(st.lists(places, max_size=8), places)
def test_one_more_place_never_raises_the_ceiling(said: list[Place], more: Place) -> None:
    assert standing([*said, more]).ceiling.opens <= standing(said).ceiling.opens
    assert standing([*said, more]).ceiling.clicks <= standing(said).ceiling.clicks
    assert standing([*said, more]).strict == (standing(said).strict or more.strict)


@given(template=places, others=st.lists(places, max_size=5))
def test_a_template_limits_its_letters_and_its_default_is_the_nearest(template: Place, others: list[Place]) -> None:
    name = "Welcome"
    template = replace(template, limit=replace(template.limit, scope=Scope.TEMPLATE, name=name))
    others = [each for each in others if each.limit.scope is not Scope.TEMPLATE]
    without, found = standing(others), standing([*others, template])
    limit = rule_of(template)

    for axis in ("opens", "clicks"):
        most, default = getattr(limit, axis), getattr(template, axis)
        ceiling_, before = getattr(found.ceiling, axis), getattr(without.ceiling, axis)
        assert ceiling_ == lowest([before, most])
        if default is not None:
            assert getattr(found, axis) == min(default, ceiling_)
        if ceiling_ < before:
            asked = {"opens": None, "clicks": None} | {axis: Level.FULL}
            (refusal,) = refusals(found.ceiling, **asked)
            assert str(refusal).endswith(f"by the template {name}")


@given(st.lists(rules, max_size=8), levels, levels)
def test_only_asking_for_more_is_refused(said: list[Rule], opens: Level | None, clicks: Level | None) -> None:
    limit = ceiling(said)
    axes = {each.axis for each in refusals(limit, opens=opens, clicks=clicks)}

    assert ("opens" in axes) == (opens is not None and opens > limit.opens)
    assert ("clicks" in axes) == (clicks is not None and clicks > limit.clicks)


def test_the_nearest_default_holds_and_a_fixed_one_is_a_limit() -> None:
    house = Place(limit=Rule(scope=Scope.ACCOUNT), opens=Level.OFF, clicks=Level.FULL)
    own = Place(limit=Rule(scope=Scope.USER, name="1"), opens=Level.FULL)

    assert standing([house]) == Standing(opens=Level.OFF, clicks=Level.FULL)
    assert standing([own, house]).opens is Level.FULL

    fixed = Place(limit=Rule(scope=Scope.ACCOUNT), opens=Level.OFF, clicks=Level.FULL, opens_may_change=False)
    assert rule_of(fixed) == Rule(scope=Scope.ACCOUNT, opens=Level.OFF)
    assert standing([own, fixed]).opens is Level.OFF
    assert standing([own, fixed]).ceiling.opens_by == rule_of(fixed)
    assert standing([own, fixed]).ceiling.clicks_by is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(scope=Scope.ACCOUNT, opens=Level.OFF), "open tracking is switched off for everybody here"),
        (
            Rule(scope=Scope.RECIPIENT_DOMAIN, name="example.org", opens=Level.OFF),
            "open tracking is switched off for mail to example.org",
        ),
        (
            Rule(scope=Scope.USER, opens=Level.IDENTIFIED),
            "open tracking is limited to the level identified in your settings",
        ),
    ],
)
def test_a_refusal_names_the_limit_and_where_it_was_set(rule: Rule, words: str) -> None:
    (refusal,) = refusals(ceiling([rule]), opens=Level.FULL, clicks=Level.FULL)

    assert str(refusal) == words


@pytest.mark.parametrize("scope", Scope)
def test_every_scope_can_be_named(scope: Scope) -> None:
    (refusal,) = refusals(
        ceiling([Rule(scope=scope, name="x.example", clicks=Level.OFF)]), opens=None, clicks=Level.FULL
    )

    assert str(refusal).startswith("link tracking is switched off ")


@given(st.sampled_from(Level), st.sampled_from(Level), st.sampled_from(Level), st.sampled_from(Level))
def test_switches_are_lowered_axis_by_axis_and_never_raised(a: Level, b: Level, c: Level, d: Level) -> None:
    lowered = Switches(opens=a, clicks=b).at_most(c, d)

    assert (lowered.opens, lowered.clicks) == (min(a, c), min(b, d))


@pytest.mark.parametrize(
    ("switches", "opens", "clicks"),
    [
        (Switches(), Level.FULL, Level.FULL),
        (Switches(opens=Level.OFF), Level.OFF, Level.FULL),
        (Switches(links=LinkScope.NONE), Level.FULL, Level.OFF),
    ],
)
def test_the_settings_file_is_a_ceiling(switches: Switches, opens: Level, clicks: Level) -> None:
    user = Place(limit=Rule(scope=Scope.USER), opens=Level.FULL, clicks=Level.FULL)

    found = standing([user, installation(switches)])

    assert (found.opens, found.clicks, found.ceiling.opens, found.ceiling.clicks) == (opens, clicks, opens, clicks)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("Ines@Example.ORG", ("ines@example.org", "example.org", "org")),
        ("a@b\xfccher.example", ("a@xn--bcher-kva.example", "xn--bcher-kva.example", "example")),
        ('"x@y"@a.b.example', ('"x@y"@a.b.example', "a.b.example", "b.example", "example")),
        ("a@..", ("a@..", "..", ".", "")),
    ],
)
def test_a_recipient_goes_by_address_and_domains(address: str, names: tuple[str, ...]) -> None:
    assert names_of(address) == names


def test_the_most_restrictive_rule_about_a_recipient_holds() -> None:
    rules = {
        "example.org": Rule(scope=Scope.RECIPIENT_DOMAIN, name="example.org", opens=Level.OFF),
        "ines@mail.example.org": Rule(scope=Scope.RECIPIENT, name="ines@mail.example.org", clicks=Level.OFF),
    }

    found = for_recipient(rules, "Ines@Mail.Example.org")
    assert (found.opens, found.clicks) == (Level.OFF, Level.OFF)
    assert for_recipient(rules, "rob@example.org").clicks is Level.FULL
    assert for_recipient(rules, "rob@notexample.org") == Ceiling()


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        (" Example.ORG. ", "example.org"),
        ("*.example.org", "example.org"),
        (".example.org", "example.org"),
        ("https://www.example.org:8080/a?b#c", "www.example.org"),
        ("b\xfccher.example", "xn--bcher-kva.example"),
        ("de", "de"),
    ],
)
def test_a_domain_is_taken_as_people_write_it(written: str, domain: str) -> None:
    assert clean_domain(written) == domain


BAD = [
    "",
    " ",
    ".",
    "*",
    "a b",
    "a\r\nb.example",
    "a\0.example",
    "\u202eexample.org",
    "exa\u200dmple.org",
    "x" * 10_000,
    "x." * 5_000 + "example",
    "-a.example",
    "a..example",
    "[::1]",
    "https://",
    "=?utf-8?q?a=0d=0ab?=",
    "<b>.example",
]


@pytest.mark.parametrize("written", [*BAD, "ines@example.org"], ids=ascii)
def test_what_is_no_domain_is_said_so(written: str) -> None:
    with pytest.raises(BadInput, match="domain"):
        clean_domain(written)


@pytest.mark.parametrize("written", [*BAD, *(f"ines@{each}" for each in BAD), "a\rb@example.org"], ids=ascii)
def test_what_is_no_address_is_said_so(written: str) -> None:
    with pytest.raises(BadInput, match="e-mail address"):
        clean_mailbox(written)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" Ines@B\xfccher.example ", "ines@xn--bcher-kva.example"),
        ('"two words"@example.org', '"two words"@example.org'),
    ],
)
def test_an_address_is_kept_in_the_form_in_which_it_is_compared(written: str, address: str) -> None:
    assert clean_mailbox(written) == address
    assert names_of(written.strip())[0] == address


@given(st.text(max_size=40))
def test_a_cleaned_domain_stays_as_it_is(written: str) -> None:
    try:
        domain = clean_domain(written)
    except BadInput:
        return

    assert clean_domain(domain) == domain


@pytest.mark.parametrize(
    ("rule", "english", "german"),
    [
        (
            Rule(scope=Scope.RECIPIENT, name="eve@x.example", opens=Level.OFF),
            "open tracking is switched off for mail to eve@x.example",
            "das Verfolgen von Öffnungen ist für E-Mails an eve@x.example abgeschaltet",
        ),
        (
            Rule(scope=Scope.ACCOUNT, clicks=Level.IDENTIFIED),
            "link tracking is limited to the level identified for everybody here",
            "das Verfolgen von Links ist für alle hier auf die Stufe „mit Namen“ begrenzt",
        ),
    ],
)
def test_a_refusal_is_an_error_in_the_language_of_who_reads(rule: Rule, english: str, german: str) -> None:
    (refusal,) = refusals(ceiling([rule]), opens=Level.FULL, clicks=Level.FULL)
    error = refusal.error()

    assert (english, refusal.axis) == (str(error), error.axis)
    assert german == told(error, languages().known["de"])
