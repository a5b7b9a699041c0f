"""Tests of the backend, by room."""
