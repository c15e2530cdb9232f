"""Engines: what turns prompts into verdicts, a folder each, and the registry that makes one."""
