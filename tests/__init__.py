"""The tests: unit, contracts, integration, acceptance, browser."""
