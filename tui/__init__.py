"""The terminal program: what a person sees of a model file. It never opens one itself; `inspector` does."""

import os

# How often Textual may draw in a second, which it reads when it is imported. With its own 60 an answer that comes just
# after a frame waits 16 ms for the next.
os.environ.setdefault("TEXTUAL_FPS", "240")
