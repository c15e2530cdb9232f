"""Figures that every part reports: intervals, estimates, how they are written."""
