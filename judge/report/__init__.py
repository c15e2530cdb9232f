"""The one page of every report: tables, plots, policy."""
