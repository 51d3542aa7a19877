"""Random input for everything that reads bytes from outside: `python -m tests.fuzz --inputs 1000000`."""
