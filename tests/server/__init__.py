"""Tests against real server processes: sizes, disconnects, crashes, load."""
