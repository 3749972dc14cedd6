"""How many objects to ask for in the next page of a list."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PageSize"]


@dataclass(frozen=True)
class PageSize:
    """Sizes of pages: many small objects, or few large ones.

    A page is parsed as a whole, in many times its own memory, and the process seldom gives back to the system what it
    once needed. So the bytes of a page decide about the memory of the process, and not the number of all objects.

    Parameters
    ----------
    first
        Objects in the first page, 1 or more.
    most
        Objects in any page.
    page_bytes
        What a page should have.
    """

    first: int = 100
    most: int = 500
    page_bytes: int = 1024 * 1024

    def after(self, objects: int, size: int) -> int:
        """Return how many objects to ask for after a page.

        Parameters
        ----------
        objects
            Objects of that page.
        size
            Its bytes.
        """
        return max(1, min(self.most, self.page_bytes * objects // max(1, size)))
