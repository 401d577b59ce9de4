"""Arrays and results -> pictures: Altair charts, coloured text, the heatmap's payload; no model comes in here."""
