"""The mini judge's base and tokenizer, trained from nothing."""
