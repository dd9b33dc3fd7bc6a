"""What a command does that is no step of a run: a workspace made, a batch judged, pages drawn, a recipe removed."""
