"""The fixed order of checks that every signed request passes: who runs them, and what goes from one to the next."""
