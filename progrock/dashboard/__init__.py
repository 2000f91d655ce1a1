"""The pages that people look at: the list of jobs with its start form, and one job's page."""
