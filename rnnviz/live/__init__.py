"""A text read while it is being typed: the state after every prefix is kept, and an edit reruns what follows it."""
