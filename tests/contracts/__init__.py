"""What each real part must do: the log on each database, the hub on each layer."""
