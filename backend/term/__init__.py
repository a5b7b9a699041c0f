"""One term of leadership: the rooms it is built of, the order they are wired in, and what runs beside the calls."""
