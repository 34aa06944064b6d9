"""Stand-in for the benchmark's library."""
