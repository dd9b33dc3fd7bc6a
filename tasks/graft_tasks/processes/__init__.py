"""Processes of one machine: those that end with the one that started them, one that stays warm, locks, and the disk."""
