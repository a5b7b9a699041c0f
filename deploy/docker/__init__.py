"""Images and the Docker Engine they are built on; `testing.py` gives both to tests."""
