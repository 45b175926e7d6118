"""Templates that do less each time: what they say the same in every page stands in their code as text.

A list of fifty rows makes some thousand calls. Jinja looks at each function, whether it wants to know the context, and
escapes what comes of it, also where that is markup. Here a call is a call, markup is taken as it is, and a function in
`FOLDED` that is given nothing but constants is called once, when the template is read. Promises the same bytes.
"""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

# Globals whose answer follows from their arguments and the language alone. No template uses the names for else.
FOLDED = frozenset({"gettext", "glyph", "icon", "pgettext", "say", "static", "within"})
_CHANGED = re.compile("[&<>'\"]").search  # what `escape` changes


class _Folder(NodeTransformer):
    def __init__(self, environment: Environment) -> None:
        self._known: dict[str, Any] = {name: environment.globals[name] for name in FOLDED}

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        known = self._known.get(node.node.name) if isinstance(node.node, nodes.Name) else None
        given = {each.key: each.value for each in node.kwargs}
        constant = all(isinstance(each, nodes.Const) for each in (*node.args, *given.values()))
        if known is None or not constant or node.dyn_args or node.dyn_kwargs:
            return node
        said = known(*(each.as_const() for each in node.args), **{key: each.as_const() for key, each in given.items()})
        return nodes.Const(said, lineno=node.lineno)


class _Generator(CodeGenerator):
    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        super().visit_Template(_Folder(self.environment).visit(node), frame)

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        """As a plain call: no function of ours asks for the context, and a macro escapes as its environment does."""
        if forward_caller or node.dyn_args or node.dyn_kwargs:
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.visit(node.node, frame)
        self.write("(")
        for each in (*node.args, *node.kwargs):
            self.visit(each, frame)
            self.write(", ")
        self.write(")")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write("environment.escaped(")


class FoldingEnvironment(Environment):
    """An environment of templates that are always escaped; its globals must hold `FOLDED` before any is read."""

    code_generator_class = _Generator
    newstyle_gettext = True  # {% trans %} hands its values over

    @staticmethod
    def escaped(value: object) -> str:
        """Text that may stand in a page."""
        if type(value) is Markup or (type(value) is str and _CHANGED(value) is None):
            return value
        return escape(value)
