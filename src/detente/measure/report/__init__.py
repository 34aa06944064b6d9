"""The page: results of any measures as one HTML file that a person can read, print and check.

Decides how a value reads (``wording``), what a report under a text would need that artefacts cannot show (``obligations``), and the
page itself (``page``). Results come in, text goes out: reading a repository, drawing and writing files are ``app.measuring`` and
``adapters``. ``spec/measure.md`` §3.
"""
