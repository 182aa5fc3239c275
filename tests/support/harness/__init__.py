"""Runs the real programs for the end-to-end tests, the kill test and the demo."""
