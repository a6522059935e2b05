"""From stored Markdown to safe HTML.

Raw HTML is off: whatever a file contains, no tag of its own reaches a page, except the
three that only dress a word (kbd, sub, sup). Links may lead to the web, to mail, within the
page and to other lessons; any other target is dropped and its words stay. Pictures show
their description until the box keeps media.
"""

import re
import unicodedata
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from appliance.courses.dialect import DIV_CLOSE, DIV_OPEN, HEADING, plain_title, walk

RENDERED_MAX: Final = 512  # sections kept as HTML, about 5 KB each: what a class reads today
LINK_ALLOWED: Final = re.compile(
    r"^(?:https?://|mailto:|#|/learn/lessons/[0-9a-f-]{36}(?:#|$))", re.IGNORECASE
)
DRESSED_WORD: Final = re.compile(r"<(kbd|sub|sup)>([^<>]*)</\1>")
HEADINGS_BELOW: Final = 2  # h1 is the lesson, h2 the section

# What the fenced divs of the Carpentries Workbench are for, in a pupil's words.
BLOCK_NAMES: Final[dict[str, str]] = {
    "callout": "Good to know",
    "caution": "Be careful",
    "challenge": "Try it",
    "checklist": "Checklist",
    "discussion": "Talk about it",
    "hint": "Hint",
    "keypoints": "Remember",
    "objectives": "You will learn",
    "prereq": "Before you start",
    "questions": "Questions",
    "solution": "Answer",
    "spoiler": "More",
    "testimonial": "What others say",
    "warning": "Be careful",
}
FOLDED: Final = frozenset({"hint", "solution", "spoiler"})


@lru_cache(maxsize=RENDERED_MAX)
def render(body: str) -> str:
    """Return the HTML of one section."""
    html: str = _MARKDOWN.render(body)
    return html


def text_direction(text: str) -> str:
    """Return `rtl` or `ltr` by the first letter that has a direction."""
    for letter in text:
        direction = unicodedata.bidirectional(letter)
        if direction in {"R", "AL"}:
            return "rtl"
        if direction == "L":
            return "ltr"
    return "ltr"


def _fenced_div(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 -- markdown-it calls it
    opening = DIV_OPEN.match(_line(state, start))
    if opening is None or state.is_code_block(start):
        return False
    if silent:
        return True
    close = _closing_line(state, start, end)
    first, title = _own_title(state, start + 1, close)
    token = state.push("div_open", "", 1)
    token.meta = {"kind": opening["name"].lower(), "title": title}
    state.lineMax, kept = close, state.lineMax
    state.md.block.tokenize(state, first, close)
    state.lineMax = kept
    state.push("div_close", "", -1).meta = token.meta
    state.line = close + 1
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _closing_line(state: StateBlock, start: int, end: int) -> int:
    """Return the line that closes the div, or the end when nobody closed it."""
    for offset, line in enumerate(walk(_line(state, number) for number in range(start, end))):
        if line.div_depth == 1 and not line.is_code and DIV_CLOSE.match(line.text):
            return start + offset
    return end


def _own_title(state: StateBlock, start: int, close: int) -> tuple[int, str]:
    """A div that begins with a heading is called by it; return where its text begins."""
    first = next((n for n in range(start, close) if _line(state, n).strip()), close)
    heading = HEADING.match(_line(state, first)) if first < close else None
    return (first, "") if heading is None else (first + 1, plain_title(heading["title"] or ""))


def _dressed_word(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 -- markdown-it calls it
    found = DRESSED_WORD.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        tag = found[1]
        state.push(f"{tag}_open", tag, 1)
        state.push("text", "", 0).content = found[2]
        state.push(f"{tag}_close", tag, -1)
    state.pos = found.end()
    return True


def _settle_tokens(state: StateCore) -> None:
    """Keep allowed links only, and put headings below the section's own."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + HEADINGS_BELOW - 1, 4)}"
        if token.children:
            token.children = _allowed(token.children)


def _allowed(children: Sequence[Token]) -> list[Token]:
    kept, dropped = [], 0
    for token in children:
        if token.type == "link_open" and not LINK_ALLOWED.match(str(token.attrs.get("href", ""))):
            dropped += 1
        elif token.type == "link_close" and dropped:
            dropped -= 1
        else:
            kept.append(token)
        if token.type == "link_open" and "://" in str(token.attrs.get("href", "")):
            token.attrSet("rel", "noopener noreferrer")
    return kept


Env = MutableMapping[str, Any]


def _open_div(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: Env
) -> str:
    kind, title = tokens[index].meta["kind"], tokens[index].meta["title"]
    name = BLOCK_NAMES.get(kind, "")
    if kind in FOLDED:
        return f"<details>\n<summary>{escapeHtml(_without_repeat(name, title))}</summary>\n"
    head = _without_repeat(name, title)
    named = f'<p class="block-name">{escapeHtml(head)}</p>\n' if head else ""
    known = f" block-{kind}" if kind in BLOCK_NAMES else ""
    return f'<aside class="block{known}">\n{named}'


def _without_repeat(name: str, title: str) -> str:
    if not title or title.lower() in {name.lower(), "solution"}:
        return name or title
    return f"{name}: {title}" if name else title


def _close_div(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: Env
) -> str:
    return "</details>\n" if tokens[index].meta["kind"] in FOLDED else "</aside>\n"


def _picture(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: Env
) -> str:
    said = escapeHtml("".join(token.content for token in tokens[index].children or []))
    return f'<span class="picture-left-out">Picture{": " + said if said else ""}</span>'


def _code(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Env
) -> str:
    """Long lines scroll inside their box; without a tab stop a keyboard could not reach them."""
    kind = "fence" if tokens[index].type == "fence" else "code_block"
    html: str = getattr(RendererHTML, kind)(renderer, tokens, index, options, env)
    return html.replace("<pre>", '<pre tabindex="0">', 1)


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    stops: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    markdown.block.ruler.before("fence", "fenced_div", _fenced_div, stops)
    markdown.inline.ruler.before("html_inline", "dressed_word", _dressed_word)
    markdown.core.ruler.push("settle_tokens", _settle_tokens)
    markdown.add_render_rule("div_open", _open_div)
    markdown.add_render_rule("div_close", _close_div)
    markdown.add_render_rule("image", _picture)
    markdown.add_render_rule("fence", _code)
    markdown.add_render_rule("code_block", _code)
    return markdown


_MARKDOWN: Final = _markdown()
