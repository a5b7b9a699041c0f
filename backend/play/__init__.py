"""Play: orders, turns and what they leave behind.

Owns `orders`, `turn_inputs`, `turns`, `reports`, `saves`. A turn is stored before the engine is asked for it and published
in one transaction; engines hold nothing that is not here. When a turn falls is the scheduler's business, that an engine
runs the runtime's.
"""
