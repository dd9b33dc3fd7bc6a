"""Datasets that grow: rows and labels that are added, taken back or repaired, each as one more file."""
