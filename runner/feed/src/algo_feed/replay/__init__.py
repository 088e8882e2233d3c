"""`algo-feed publish`: a recorded day into Redis. A program of its own; `run` loads none of it."""
