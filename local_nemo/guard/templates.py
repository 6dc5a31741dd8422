"""Checks the Jinja templates of a configuration's prompts when it is created, so that they can't misbehave when they
run.

Allowed: text, variables of the rail, `if`, comparisons, a few filters. Refused: everything that loops, calls,
computes or reaches into objects (a template is sent by a client and rendered in this process), unknown variables
(Jinja would silently print nothing in their place, and the safety model would judge an empty message), and a template
without the checked text.
"""

from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from local_nemo.guard.flows import Flow

MAX_TEMPLATE = 100_000  # characters
FILTERS = {"trim", "string", "default"}  # none that changes or drops what the safety model must see
ALLOWED_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.Test,
)
ENVIRONMENT = SandboxedEnvironment()


def variables_of(template: str) -> set[str]:
    """The variables that a template uses. Raises ValueError when it is too long, malformed or uses too much."""
    if len(template) > MAX_TEMPLATE:
        raise ValueError(f"the template has {len(template)} characters; the limit is {MAX_TEMPLATE}")
    return meta.find_undeclared_variables(_checked_tree(template))


def _checked_tree(template: str) -> nodes.Template:
    try:
        tree = ENVIRONMENT.parse(template)
    except TemplateSyntaxError as error:
        raise ValueError(f"the template is not valid Jinja (line {error.lineno}): {error.message}") from None
    except RecursionError:
        raise ValueError("the template is nested too deeply") from None
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, ALLOWED_NODES):
            kind = type(node).__name__
            raise ValueError(f"the template uses {kind} (line {node.lineno}); allowed: text, variables, if, filters")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise ValueError(f"the template uses filter {node.name!r}; allowed: {', '.join(sorted(FILTERS))}")
    return tree


def always_shows(template: str, name: str) -> bool:
    """Whether a template prints a variable whatever the values are: a mention in a condition shows nothing."""
    return any(_shows(node, name) for node in _checked_tree(template).body)


def _shows(node: nodes.Node, name: str) -> bool:
    match node:
        case nodes.Name():
            return node.name == name
        case nodes.Filter():
            return node.node is not None and _shows(node.node, name)
        case nodes.Output():
            return any(_shows(child, name) for child in node.nodes)
        case nodes.CondExpr():
            return node.expr2 is not None and _shows(node.expr1, name) and _shows(node.expr2, name)
        case nodes.If():
            branches = [node.body, *(one.body for one in node.elif_), node.else_]
            return all(any(_shows(child, name) for child in branch) for branch in branches)
    return False


def check_prompt(templates: list[str], flow: Flow) -> None:
    """Raise ValueError unless the templates of one prompt fit the rail that renders them."""
    used: set[str] = set()
    for template in templates:
        used |= variables_of(template)
    if unknown := used - flow.variables:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"unknown template variable {names}; {flow.name} knows {', '.join(sorted(flow.variables))}")
    if not any(always_shows(template, flow.shows) for template in templates):
        raise ValueError(f"the template never shows {{{{ {flow.shows} }}}}, so {flow.name} would judge nothing")
