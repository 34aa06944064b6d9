"""The web pages of a node, rendered at the server from the values of its JSON interface.

Decides how a value looks, and what a browser may do with a page. Leaves out every fact (``app.viewing``). Needs the extra ``pages``;
without it the node serves everything else and says what is missing (N60).

- Works without JavaScript, except passkeys and live updates. Nothing is fetched from elsewhere; no cookie, no session.
- Every value is escaped where it stands, and what a reader could not see shows as its code (``base.visible``).
"""
