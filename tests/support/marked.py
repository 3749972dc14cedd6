"""Parts of documents that are written from code: what stands between two marks is compared, or written."""

from __future__ import annotations

from pathlib import Path

__all__ = ["check_marked"]


def check_marked(path: Path, mark: str, text: str, *, update: bool) -> None:
    """Compare what a document has between its two marks with a text, or write it where `update` is set.

    Parameters
    ----------
    path
        The document.
    mark
        Name of the marks: `<!-- mark -->` before the text, `<!-- /mark -->` after it.
    text
        What has to stand there.
    update
        Whether to write instead of comparing.
    """
    first, last = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    document = path.read_text(encoding="utf-8")
    before, begins, rest = document.partition(first)
    found, ends, after = rest.partition(last)
    assert begins, f"{path.name} has no {first.strip()}"
    assert ends, f"{path.name} has no {last} after it"
    if update:
        path.write_text(f"{before}{first}{text}{last}{after}", encoding="utf-8")
        return
    assert found == text, f"{path.name} differs from the code: run this test with --update-golden"
