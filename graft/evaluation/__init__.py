"""A candidate against its baselines and the champion: metrics, groups, choice of the base, verdict."""
