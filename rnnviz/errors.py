"""Errors whose message is one sentence for the person at the screen; it knows nothing of where it is shown."""


class RnnvizError(Exception):
    """Base of every error that a user can mend; `str(error)` says what was wrong and what to do."""


class TextError(RnnvizError, ValueError):
    """The typed text cannot be used (empty, or without a single word)."""


class ConfigError(RnnvizError, ValueError):
    """A model or training setting is impossible or contradicts another one."""


class ModelNotFoundError(RnnvizError, LookupError):
    """No model has the given name or path."""


class CheckpointError(RnnvizError, ValueError):
    """A model folder cannot be read, or its files disagree with each other."""


class DataError(RnnvizError, ValueError):
    """A data set cannot be found, fetched or understood."""


class SaveError(RnnvizError, OSError):
    """A file could not be written; what was there before is intact."""


class RequestError(RnnvizError, ValueError):
    """A live request is malformed or asks for what there is not."""


class LinkError(RnnvizError, ValueError):
    """A link to a page is damaged, too long, or holds what cannot be used."""
