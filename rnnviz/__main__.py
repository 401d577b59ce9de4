"""`python -m rnnviz`: the command line."""

from rnnviz.cli import app

app(prog_name="python -m rnnviz")
