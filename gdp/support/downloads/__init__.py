"""Download public sets of pictures and unpack them safely: broken lines, wrong files and hostile archives included.

`gdp.support.downloads.sets.fetch_set` is the way in. This package's `__init__` imports nothing, for `layout` is used by
light modules and the others need httpx.
"""
