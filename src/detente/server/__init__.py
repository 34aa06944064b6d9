"""A node over HTTP: JSON API, C2SP endpoints, static tiles, events.

Decides how a request is bounded, which node method answers it, and which status a refusal has. Leaves out what the
answer is (``app.node``). The interface is ``docs/reference/http-api.md``; rules N10 and up of ``spec/node.md``.
"""
