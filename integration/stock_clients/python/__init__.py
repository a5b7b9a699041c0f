"""A plain grpcio client of the authenticated edge."""
