"""What somebody sees whom the provider knows and who is not let in. No scripts, nothing from elsewhere."""

from __future__ import annotations

from html import escape


def refusal_page(text: str) -> str:
    """The page's HTML; `text` is plain."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not let in · streamproc</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        '<link rel="stylesheet" href="/docs.css"></head><body><main><h1>You are not let in</h1>'
        f"<p>{escape(text)}</p><p>Ask whoever runs streamproc, or your identity provider, for a role that opens it.</p>"
        '<p><a href="/">To the sign-in page</a></p></main></body></html>'
    )
