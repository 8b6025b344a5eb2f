"""Spans of OpenTelemetry, taken in as runs."""
