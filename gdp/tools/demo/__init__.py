"""`gdp demo`: a web page on which a trained student is tried, in the browser or by an engine of this machine.

demo = gather(...)             # what the page shows and runs: the student, samples, the browser's engine
write_static(demo, folder)     # the page as a folder, for any web server
DemoServer(demo, translator)   # or served on this machine alone
"""
