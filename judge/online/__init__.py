"""Trainings that ask models in between: where ``judge.train`` and ``judge.infer`` meet."""
