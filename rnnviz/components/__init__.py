"""Browser components: a Python side that packs arrays, and plain JavaScript and CSS beside it."""
