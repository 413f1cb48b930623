"""Profiles: what the exports of known systems look like, as data, and how a file's header is recognised by them.

Each YAML file is one system; nothing here reads a plant's files or knows a site.
"""

from manufacturing_copilot.ingest.suggesting.profiles.model import Profile, ProfileColumn, ProfileTable, load_profiles
from manufacturing_copilot.ingest.suggesting.profiles.recognition import Recognised, recognise

__all__ = ["Profile", "ProfileColumn", "ProfileTable", "Recognised", "load_profiles", "recognise"]
