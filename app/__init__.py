"""The review UI: annotators judge first, then see the judge; what they decide becomes data."""
