"""When and where: the only package that imports Prefect, and the command line.

``retrain.py`` is the whole pipeline on one screen.
"""
