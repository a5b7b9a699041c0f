"""Maps of what one player may know after a turn: a picture and a page of characters, both from the JSON report."""

from client.chart.model import Chart, read_chart
from client.chart.picture import draw_picture
from client.chart.text import draw_text

__all__ = ["Chart", "draw_picture", "draw_text", "read_chart"]
