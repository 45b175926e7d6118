"""Unsealed: self-hosted e-mail open and click tracking that tells the truth."""

__version__ = "0.1.0"
