"""The steps of a run: each reads files, calls ``graft``, and writes files and one record; ``context.py`` runs any of them."""
