"""Backfills: work on what older versions left, while servers run, in steps that survive anything."""

from commonroom.storage.job.job import Job, Step
from commonroom.storage.job.room_words import RoomWords
from commonroom.storage.job.runner import JobRunner

__all__ = ["JOBS", "Job", "JobRunner", "Step"]

JOBS: dict[str, Job] = {job.name: job for job in (RoomWords(),)}
"""All jobs of this version."""
