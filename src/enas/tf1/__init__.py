"""Checkpoints of the original TensorFlow 1 program, in and out."""
