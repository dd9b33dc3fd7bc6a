"""Prefect flows: when and where a recipe is retrained. ``retrain.py`` is the whole pipeline on one screen."""
