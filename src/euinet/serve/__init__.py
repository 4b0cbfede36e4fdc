"""HTTP requests go in; the answers of `euinet predict` come out, and the page.

Read `app.py` first: it says which path leads where. A request passes `http` (host, origin, token, limits; a
body read piece by piece), images are decoded (`decode`), answered together with those of other clients
(`batching`) and become rows (`answering`). `api` describes the paths; `run` starts and stops the server.
Nothing that a client sends is ever executed, written under its own name or shown as HTML.
"""
