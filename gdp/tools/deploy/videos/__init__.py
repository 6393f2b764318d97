"""Videos through a student, frame by frame, with their times, colours and sound. Importing this package imports no av.

applied = Applied()
apply_to_videos(jobs, application, progress, applied)
"""

from gdp.tools.deploy.videos.applying import apply_to_videos

__all__ = ["apply_to_videos"]
