"""The kinds of jobs that the service can run."""
