"""Intensive care: stays with measurements at any time, from each source's own files, and windows of hours over them."""
