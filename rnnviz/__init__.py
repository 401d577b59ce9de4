"""rnnviz: train, load and look into recurrent neural networks."""

from rnnviz.checkpoints import Model, load, models
from rnnviz.errors import RnnvizError
from rnnviz.notebook import Picture, show
from rnnviz.record import predict, record, record_batch, sample
from rnnviz.recording import Prediction, Recording

__all__ = [
    "Model",
    "Picture",
    "Prediction",
    "Recording",
    "RnnvizError",
    "load",
    "models",
    "predict",
    "record",
    "record_batch",
    "sample",
    "show",
]
