"""Prompts, agents and skills: commits, tags, likes and directories."""
