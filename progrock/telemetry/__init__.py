"""What is counted of each backend, and told to operators: the page `/backends` and `/metrics`."""
