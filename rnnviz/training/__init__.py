"""Data sets, the training loop and the scores; nothing here knows of pages."""
