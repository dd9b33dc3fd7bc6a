"""Has the domain shifted? The tests are ours; the drift page is Evidently's, and only ``drift_page`` imports it."""
