"""No request counts twice: clocks must agree within a window, and ids are reserved in Redis for twice that window."""
