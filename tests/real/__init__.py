"""Model files that others made and published, against what torch, safetensors, onnx and numpy read from them."""
