"""The reference of the REST API as a page of HTML, for browsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from codecourier.apiserver.reference import Entry, Field

__all__ = ["render_html"]


def render_html(title: str, entries: Iterable[Entry]) -> str:
    """Return the reference as one page of HTML that loads nothing else."""
    sections = "\n".join(_html_of(entry) for entry in entries)
    return _PAGE.format(title=escape(title), sections=sections)


def _html_of(entry: Entry) -> str:
    parts = [
        f"<section><h2><code>{escape(entry.method)} {escape(entry.path)}</code></h2>",
        f"<p>{escape(entry.summary)}. Needs the right to {escape(entry.right)}.</p>",
        f"<pre>{escape(entry.example)}</pre>",
    ]
    tables: Mapping[str, tuple[Field, ...]] = {
        "Parameters": entry.parameters,
        "Body": entry.body,
        f"Answer {entry.success}": entry.answer,
    }
    for name, fields in tables.items():
        if fields:
            rows = "".join(
                f"<tr><td><code>{escape(field.name)}</code>{' *' if field.is_required and name == 'Body' else ''}</td>"
                f"<td>{escape(field.type)}</td><td>{escape(field.meaning)}</td></tr>"
                for field in fields
            )
            parts.append(f"<table><caption>{escape(name)}</caption>{rows}</table>")
    parts.append(f"<p>Refuses with {', '.join(entry.errors)}.</p></section>")
    return "\n".join(parts)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;margin:1rem 0}}td{{border:1px solid #ccc;padding:.2rem .6rem;vertical-align:top}}
caption{{text-align:left;font-weight:bold}}pre{{background:#f4f4f4;padding:.6rem;overflow:auto}}
h2{{font-size:1.1rem}}</style>
</head><body><h1>{title}</h1>
<p>What this server serves. <a href="openapi.json">openapi.json</a> says the same for programs.
A star marks a field that is required.</p>
{sections}
</body></html>
"""
