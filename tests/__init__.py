"""Tests of rnnviz; torch is imported after this."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers share the cores; with more threads they wait for each other
os.environ.setdefault("KERAS_BACKEND", "torch")
