"""Copytaster reads an article and labels every paragraph: reporting, opinion or call-to-action."""

__version__ = "0.1.0"
