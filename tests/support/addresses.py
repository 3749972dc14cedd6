"""What is a repository's address and what is none, for the CRDs, the forge's client and the task alike."""

from __future__ import annotations

__all__ = ["ADDRESSES", "ISSUES", "NO_ADDRESSES", "NO_ISSUES", "NO_PULL_REQUESTS", "PULL_REQUESTS"]

ADDRESSES = (
    "https://github.com/example/shop",
    "https://github.com/example/shop.git",
    "https://GitHub.com/Example/.github",
    "https://git-1.corp.example.com/team_a/shop.v2",
    "https://203.0.113.7/a/-",
    "https://localhost:1/a/b",
    "https://localhost:443/a/b",
    "https://localhost:65535/a/b",
    "https://h/o/.git",
)

NO_ADDRESSES = (
    "https://gitlab.test/group/sub/shop",
    "https://github.com/example",
    "https://github.com/example/",
    "https://github.com/example/shop/",
    "https://github.com//example/shop",
    "https://github.com/example/.",
    "https://github.com/../example",
    "https://github.com/example/...",
    "https://github.com/example/shop?ref=main",
    "https://github.com/example/shop#readme",
    "https://github.com/example/sh%2fop",
    "https://github.com/example/sh op",
    "https://github.com/example/shop\n",
    "https://github.com/exämple/shop",
    "https://user:word@github.com/example/shop",
    "https://github.com:/example/shop",
    "https://github.com:0/example/shop",
    "https://github.com:0443/example/shop",
    "https://github.com:65536/example/shop",
    "https://github.com:99999/example/shop",
    "https://github.com:100000/example/shop",
    "https://.github.com/example/shop",
    "https://github..com/example/shop",
    "https://github.com./example/shop",
    "https://-github.com/example/shop",
    "https://git_hub.com/example/shop",
    "https://\u212aernel.org/example/shop",
    "https:///example/shop",
    "HTTPS://github.com/example/shop",
    "http://github.com/example/shop",
    "ssh://github.com/example/shop",
    "git@github.com:example/shop.git",
)
"""Each has one fault; each is as long as an address may be and as short as one must be."""

ISSUES = (
    *(f"{address}/issues/12" for address in ADDRESSES),
    "https://github.com/example/shop/issues/1",
    "https://github.com/example/shop/issues/9999999999",
)

NO_ISSUES = (
    *(f"{address}/issues/12" for address in NO_ADDRESSES),
    *ADDRESSES,
    "https://github.com/example/shop/pull/12",
    "https://github.com/example/shop/pulls/12",
    "https://github.com/example/shop/discussions/12",
    "https://github.com/example/shop/issues",
    "https://github.com/example/shop/issues/",
    "https://github.com/example/shop/issues/0",
    "https://github.com/example/shop/issues/-1",
    "https://github.com/example/shop/issues/012",
    "https://github.com/example/shop/issues/12345678901",
    "https://github.com/example/shop/issues/12/",
    "https://github.com/example/shop/issues/12\n",
    "https://github.com/example/shop/issues/12?page=2",
    "https://github.com/example/shop/issues/12#issuecomment-1",
    "https://github.com/example/shop/issues/twelve",
    "https://github.com/example/shop/issues/\u0661",
    "https://github.com/example/shop/issues/../pull/12",
)
"""Each has one fault."""

PULL_REQUESTS = tuple(issue.replace("/issues/", "/pull/") for issue in ISSUES)

NO_PULL_REQUESTS = (
    *(issue.replace("/issues", "/pull") for issue in NO_ISSUES if "/pull/" not in issue),
    "https://github.com/example/shop/issues/12",
    "https://github.com/example/shop/pulls/12",
    "https://github.com/example/shop/pull/12/files",
)
"""Each has one fault."""
