"""A small language model that talks: linear layers in MicroScopiQ's encoding, the rest on the processor."""

from pyqkit.story.array import OnArray
from pyqkit.story.llama import Llama, told
from pyqkit.story.model import StoryModel, load, save

__all__ = ["Llama", "OnArray", "StoryModel", "load", "save", "told"]
