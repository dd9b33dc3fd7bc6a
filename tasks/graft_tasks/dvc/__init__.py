"""DVC and git, each a process of its own: stages, cache, remotes, and what killed processes left."""
