"""A template: a saved letter with placeholders, its versions, and what came of the letters made from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType

from unsealed.model.message import UserId

TemplateId = NewType("TemplateId", int)  # random, 63 bit; written as 16 hex digits outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a letter holds that is made from a template. The same shape with placeholders and when they are filled."""

    subject: str
    html: str = field(repr=False)
    text: str = field(default="", repr=False)  # "": made from the HTML when the letter is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What came of filling a template: the letter, or what is missing for it."""

    content: Content  # with `missing`: not to be sent; as it stands in the template, or to be completed by hand
    missing: tuple[str, ...] = ()  # names of placeholders that have no value, in the order of the letter


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """A template in a list."""

    id: TemplateId
    user: UserId  # who made it
    owner: str  # their sign-in name
    name: str
    shared: bool  # everybody here may use it
    version: int  # the newest
    subject: str  # of that
    changed_at: datetime
    removed: bool = False  # not offered any more


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """One version; never changed."""

    version: int
    content: Content
    by: str  # sign-in name of who made it; "" when they are gone
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUse:
    """What came of the letters that one user made from one version."""

    version: int
    messages: int
    copies: int  # recipients
    opened: int  # of them, as judged
    clicked: int
