"""Run folders: written in windows, resumed after a kill, indexed in little memory."""
