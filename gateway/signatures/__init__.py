"""Ed25519 in both directions: verifying what devices sign."""
