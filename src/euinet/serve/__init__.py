"""HTTP requests go in; the answers of `euinet predict` come out, and the page.

Read `app.py` first: it says which path leads where. A request passes `guard` (host, origin, token, headers
of the answer), its body is read under limits (`bodies`, `forms`, `arrays`), images are decoded (`decoding`),
answered together with those of other clients (`batching`) and become rows (`answering`). `run` starts and
stops the server. Nothing that a client sends is ever executed, written under its own name or shown as HTML.
"""
