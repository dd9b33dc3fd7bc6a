"""The learning curve: how many rows, how much time and energy transfer saves, with intervals."""
