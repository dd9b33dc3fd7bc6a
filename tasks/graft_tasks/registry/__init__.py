"""Promoted models and the ledger: what a run starts from, what it changes, where a model came from, and what is whole."""
