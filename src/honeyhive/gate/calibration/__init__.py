"""What the thresholds do where nothing has changed: runs of one system drawn anew, judged, made worse on purpose."""
