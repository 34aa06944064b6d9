"""What a page or a program is shown about one thing: one module for each, one JSON value for each question.

Decides which facts stand together and which entries they rest on. Leaves out what is so (``accord``), HTML and HTTP (``server``).
A page renders exactly the value that the JSON interface gives, because one function makes both.
"""
