"""Which files: one module per step. Each reads files, calls ``graft``, and writes files and one record.

``steps.py`` runs any of them; ``workspace.py`` knows where everything lies; ``pin.py`` writes down the world before a run;
``promote.py`` changes it after one; ``versions.py`` speaks to DVC and git; ``audit.py`` walks back from a champion.
"""
