"""Runs a genuine NVFlare federation on this machine and has fedlink take part in it."""
