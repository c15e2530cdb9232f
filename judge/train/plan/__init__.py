"""What a recipe needs, computed before a machine is rented: ``judge train plan``.

Arithmetic alone: nothing here imports torch, and no weights are read.
"""
