"""Python scripts that make again what the page shows, with the public interface alone."""

from __future__ import annotations


def picture_script(model: str, text: str, signal: str, layer: int, unit: int) -> str:
    """Return a script that records a text and saves the picture of one unit as a self-contained HTML file."""
    return f'''"""The picture of unit {unit} as a self-contained file: run this in the folder that holds rnnviz."""

import rnnviz

model = rnnviz.load({model!r})
text = {text!r}
recording = rnnviz.record(model, text)
values = recording.signals[{signal!r}][:, {layer}, {unit}]
for token, value in zip(recording.tokens, values):
    print(f"{{token!r:8}} {{value: .6f}}")
names = model.config.labels or model.tokenizer.vocabulary
picture = rnnviz.show(recording, unit={unit}, layer={layer}, signal={signal!r}, vocabulary=names)
picture.save("picture.html")
'''
