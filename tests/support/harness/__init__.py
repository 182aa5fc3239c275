"""Runs the real programs for the end-to-end tests, the kill test and the demo."""
from pathlib import Path


def fake_systemctl_path():
    return Path(__file__).with_name("fake_systemctl.py")
