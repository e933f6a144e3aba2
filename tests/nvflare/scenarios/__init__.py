"""What must work between fedlink and the genuine NVFlare. Importing it registers all."""

from . import registration, training

__all__ = ["registration", "training"]
