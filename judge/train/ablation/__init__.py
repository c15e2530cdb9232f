"""The paper's comparisons of judges and of reward models."""
