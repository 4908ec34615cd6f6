"""Markdown in, HTML out: headings, paragraphs, lists, fenced code, emphasis, code, links. What is not Markdown is escaped, so that the answer holds no markup of the caller's."""

import html
import re
import sys


def inline(text: str) -> str:
    parts = re.split(r"(`[^`]+`)", text)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f"<code>{html.escape(part[1:-1])}</code>"
            continue
        part = html.escape(part)
        part = re.sub(r"\[([^\]]+)\]\((https?://[^\s)]+)\)", r'<a href="\2">\1</a>', part)
        part = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", part)
        parts[i] = re.sub(r"\*(.+?)\*", r"<em>\1</em>", part)
    return "".join(parts)


def block(lines: list[str]) -> str:
    if heading := re.fullmatch(r"(#{1,6}) +(.+)", lines[0]):
        level = len(heading[1])
        rest = f"\n{block(lines[1:])}" if lines[1:] else ""
        return f"<h{level}>{inline(heading[2])}</h{level}>{rest}"
    if all(re.match(r"[-*] ", line) for line in lines):
        return "<ul>\n" + "\n".join(f"<li>{inline(line[2:])}</li>" for line in lines) + "\n</ul>"
    return f"<p>{inline(' '.join(lines))}</p>"


def render(text: str) -> str:
    blocks: list[str] = []
    for i, part in enumerate(re.split(r"^```\w*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)):
        if i % 2:
            blocks.append(f"<pre><code>{html.escape(part)}</code></pre>")
        else:
            blocks += [block(lines.split("\n")) for lines in re.split(r"\n\s*\n", part.strip("\n")) if lines.strip()]
    return "\n".join(blocks) + "\n"


sys.stdout.write(render(sys.stdin.read()))
