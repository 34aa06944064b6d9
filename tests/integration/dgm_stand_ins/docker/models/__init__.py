"""Stand-in: where the program looks for the kind of a container."""
