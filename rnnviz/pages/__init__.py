"""One file a page, one `render()` each: it asks and tells the user, nothing else."""
