"""Evaluation templates: the rendering rule, and that no template can hang, fill or read the server."""

import time
from collections.abc import Iterator

import pytest

from local_nemo.evaluation.renderer import Renderer, RenderError
from local_nemo.evaluation.template import MAX_TEMPLATE_CHARACTERS, BadTemplate, check, render

ROW = {"messages": [{"role": "user", "content": "<b>'&\" ü"}], "count": 3}
CONTEXT = {**ROW, "item": ROW}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer(seconds=1) as running:
        yield running


def test_objects_and_lists_render_element_by_element() -> None:
    template = {"messages": "{{ item.messages | tojson }}", "n": ["{{ item.count }}", "n={{ count }}", 7, None]}
    assert render(template, CONTEXT) == {"messages": ROW["messages"], "n": [3, "n=3", 7, None]}


def test_tojson_keeps_the_order_of_keys_because_a_model_notices_it() -> None:
    row = {"z": 1, "a": {"y": 2, "b": 3}}
    assert list(render("{{ item | tojson }}", {"item": row})) == ["z", "a"]


@pytest.mark.parametrize("template", ["{{ item.nothing }}", "{{ nothing }}", "a {{ item.count.x.y }}"])
def test_an_undefined_variable_is_an_error(renderer: Renderer, template: str) -> None:
    with pytest.raises(RenderError, match="UndefinedError"):
        renderer.render(template, CONTEXT)


def test_a_template_that_passes_its_bounds_again_and_again_is_not_tried_any_more() -> None:
    with Renderer(seconds=1, most_breaches=2) as renderer:
        for _ in range(2):
            with pytest.raises(RenderError, match="passed a bound"):
                renderer.render(HOSTILE["endless loop"], CONTEXT)
        with pytest.raises(RenderError, match="2 times"):
            renderer.render("{{ item.count }}", CONTEXT)


HOSTILE = {
    "endless loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "huge number": "{{ (10 ** 9) ** (10 ** 7) }}",
    "huge text": "{{ 'a' * 10 ** 11 }}",
    "huge constant": "{{ 'a' * 9999999999 ~ 'b' }}",
    "huge output": "{{ 'a' * 9000000 }}",
    "huge padding": "{{ '%99999999999d' % 1 }}",
    "doubling": "{% set t = namespace(s='a') %}{% for i in range(60) %}{% set t.s = t.s ~ t.s %}{% endfor %}{{ t.s }}",
}


@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE)
def test_a_template_that_wants_too_much_is_stopped_and_the_next_one_works(renderer: Renderer, template: str) -> None:
    started = time.monotonic()
    with pytest.raises(RenderError):
        renderer.render(template, CONTEXT)
    assert renderer.render("{{ item.count }}", CONTEXT) == 3
    assert time.monotonic() - started < 30, "a bound of processor time: other work on the machine adds to it"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ item.messages.append(1) }}",
        "{{ (item | attr('__class__')) }}",
        "{% include '/etc/passwd' %}",
        "{{ '{0.__class__}'.format(item) }}",
    ],
)
def test_a_template_reaches_nothing_but_its_row(renderer: Renderer, template: str) -> None:
    with pytest.raises(RenderError):
        renderer.render(template, CONTEXT)


def test_what_is_not_json_is_an_error_that_says_so(renderer: Renderer) -> None:
    with pytest.raises(RenderError, match="not JSON"):
        renderer.render("not json, tojson {{ item.count }}", CONTEXT)
    with pytest.raises(RenderError, match="not JSON serializable"):
        renderer.render("{{ range }}", CONTEXT)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ({"messages": "{{ item.x"}, r"where\.messages: not a Jinja template"),
        (["{% for %}"], r"where\[0\]: not a Jinja template"),
        ("x" * (MAX_TEMPLATE_CHARACTERS + 1), "characters"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "where: "),
    ],
)
def test_a_broken_template_is_refused_before_any_row(template: object, reason: str) -> None:
    with pytest.raises(BadTemplate, match=reason):
        check(template, "where")


def test_checking_executes_nothing() -> None:
    started = time.monotonic()
    check("{{ (10 ** 9) ** (10 ** 9) }}", "where")
    assert time.monotonic() - started < 1
