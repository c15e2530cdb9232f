"""What a training leaves: sealed checkpoints, their choice, export and card."""
